"""The errors that the simulator raises; each message names the thing, the value and the remedy."""


class SimulatorError(Exception):
    """Something is wrong that the caller can put right."""


class ManifestError(SimulatorError):
    """A deployment template or manifest cannot be used as it is."""


class RouteError(SimulatorError):
    """A route of the manifest is not one that the edge hub takes."""


class ConditionError(RouteError):
    """A route's condition does not compile: edgeHub answers 200, keeps its old routes, and ends at its next start."""


class DroppedError(SimulatorError):
    """A client sent a message that the edge hub acknowledges and drops."""


class ProtocolError(SimulatorError):
    """A client sent what MQTT 3.1.1, or the edge hub, does not allow: it is disconnected."""


class VersionError(ProtocolError):
    """A client speaks another version of MQTT: it is told so before it is disconnected."""


class AddressError(SimulatorError):
    """No address of 127.0.0.0/8 is free for the runtime."""


class MethodError(SimulatorError):
    """A direct method was not answered.

    Attributes:
        status: The HTTP status that the service answers with.
        code: IoT Hub's error code.
    """

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
