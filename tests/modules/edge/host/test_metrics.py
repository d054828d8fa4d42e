from modules.edge.host.metrics import Metrics
from modules.rulclassifier.meters import Meters
from scoring.errors import Reason
from scoring.model.model import Model
from scoring.version import VERSION
from tests.onnx_models import tiny_model

WHOSE = 'edge_device="",iothub="",'


def test_every_reason_and_class_stands_at_0_before_anything_has_come() -> None:
    metrics = Metrics("rulclassifier")
    model = Model(tiny_model())
    Meters(metrics).show_model(model)
    text = metrics.exposition().decode()
    for reason in Reason:
        assert f'module_name="rulclassifier",reason="{reason}"}} 0.0' in text
    for label in model.signature.classes:
        assert f'module_name="rulclassifier",rul_class="{label}"}} 0.0' in text


def test_the_model_and_the_software_are_named_with_their_versions() -> None:
    metrics = Metrics("rulclassifier")
    model = Model(tiny_model())
    Meters(metrics).show_model(model)
    text = metrics.exposition().decode()
    module = f'{WHOSE}module_name="rulclassifier"'
    (told,) = [line for line in text.splitlines() if line.startswith("rulclassifier_model_info{")]
    for name, value in (("name", model.signature.name), ("version", model.version), ("golden", model.golden_digest)):
        assert f'{name}="{value}"' in told
    assert f'rulclassifier_build_info{{{module},version="{VERSION}"}} 1.0' in text


def test_another_module_tells_its_software_too() -> None:
    assert "telemetrysource_build_info" in Metrics("telemetrysource").exposition().decode()
