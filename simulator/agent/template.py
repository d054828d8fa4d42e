"""Deployment templates: manifests are made from them as the IoT Edge dev tool makes them."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from simulator.agent.judge import PIECES
from simulator.agent.manifest import check_sizes, desired, read_json
from simulator.errors import ManifestError

ARCHITECTURES = ("amd64", "arm64v8", "arm32v7")
# As edgeAgent itself writes createOptions into twins: this many characters in a piece.
PIECE = 512
# As the dev tool has it, a name without braces is left as it is if it has no value: `$upstream` is none.
PLACEHOLDER = re.compile(r"\$(?:\{([^}]*)\}|([A-Za-z0-9_]+))")
# An image is named by its module, or by the folder of its module.json, beside the template; then by a platform of that,
# by `debug` for that of the architecture, or by the architecture.
IMAGE = re.compile(r"(?:MODULES\.(?P<module>[^.]+)|MODULEDIR<(?P<folder>[^>]+)>)(?:\.(?P<platform>.+))?")


def environment_file(path: Path) -> dict[str, str]:
    """Read a .env file as the dev tool does, by python-dotenv; no file is an empty one."""
    if not path.exists():
        return {}
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path} cannot be read as text in UTF-8: {error}") from error
    for line in parse_stream(io.StringIO(text)):
        # python-dotenv itself passes over them.
        if line.error or (line.key and line.value is None):
            raise ManifestError(f"{path} line {line.original.line}: {line.original.string.strip()!r} is not NAME=VALUE")
    return {name: value or "" for name, value in dotenv_values(stream=io.StringIO(text)).items()}


class Template:
    """A deployment template with what its placeholders stand for.

    Args:
        path: The template; `modules/` is looked for beside it.
        architecture: Amd64, arm64v8 or arm32v7; chooses the images' tags.
        environment: Wins over `settings`; the process's own unless given.
        settings: The `.env` file; the one beside the template unless given.
    """

    def __init__(
        self,
        path: Path,
        architecture: str,
        environment: Mapping[str, str] | None = None,
        settings: Path | None = None,
    ) -> None:
        if architecture not in ARCHITECTURES:
            raise ManifestError(f"architecture {architecture!r} is not known; use one of {', '.join(ARCHITECTURES)}")
        self.path = path
        self.architecture = architecture
        self.settings = settings or path.parent / ".env"
        self.values = environment_file(self.settings)
        self.values.update(os.environ if environment is None else environment)

    def manifest(self) -> dict[str, Any]:
        """The deployment manifest: placeholders filled in, createOptions as strings in pieces."""
        template = read_json(self.path)
        filled: dict[str, Any] = {
            key: self._fill(value, key) for key, value in template.items() if key != "$schema-template"
        }
        agent = desired(filled, "$edgeAgent")
        for group in ("systemModules", "modules"):
            for name, module in agent.get(group, {}).items():
                settings = module.get("settings", {})
                if "createOptions" in settings:
                    settings.update(in_pieces(name, settings.pop("createOptions")))
        check_sizes(filled)
        return filled

    def _fill(self, value: Any, where: str) -> Any:  # noqa: ANN401 - any JSON value
        if isinstance(value, dict):
            return {self._text(key, where): self._fill(item, f"{where}/{key}") for key, item in value.items()}
        if isinstance(value, list):
            return [self._fill(item, f"{where}/{index}") for index, item in enumerate(value)]
        if isinstance(value, str):
            return self._text(value, where)
        return value

    def _text(self, text: str, where: str) -> str:
        return PLACEHOLDER.sub(
            lambda found: self.values.get(found[2], found[0]) if found[2] else self._value(found[1], where), text
        )

    def _value(self, name: str, where: str) -> str:
        if image := IMAGE.fullmatch(name):
            platform = image["platform"] or self.architecture
            platform = f"{self.architecture}.debug" if platform == "debug" else platform
            return self._image(image["folder"] or f"modules/{image['module']}", platform)
        if name not in self.values:
            raise ManifestError(
                f"{self.path}: the variable {name} of {where} has no value; "
                f"set it in the environment or in {self.settings}"
            )
        return self.values[name]

    def _image(self, folder: str, platform: str) -> str:
        path = self.path.parent / folder / "module.json"
        description = read_json(path)
        try:
            repository = description["image"]["repository"]
            version = description["image"]["tag"]["version"]
            platforms = description["image"]["tag"]["platforms"]
        except (KeyError, TypeError) as error:
            raise ManifestError(
                f"{path} lacks {error} (image.repository, image.tag.version, image.tag.platforms)"
            ) from error
        if platform not in platforms:
            raise ManifestError(f"{path} has no platform {platform!r}; it has {', '.join(platforms)}")
        named = f"{self._text(f'{repository}', f' of {path}').lower()}:{self._text(f'{version}', f' of {path}')}"
        return f"{named}-{platform}"


def in_pieces(module: str, options: dict[str, Any] | str) -> dict[str, str]:
    """Cut createOptions, as compact JSON, into `createOptions`, `createOptions01`, ... of 512 characters."""
    text = options if isinstance(options, str) else json.dumps(options, separators=(",", ":"))
    pieces = [text[start : start + PIECE] for start in range(0, len(text), PIECE)] or [""]
    if len(pieces) > PIECES:
        raise ManifestError(
            f"createOptions of {module} are {len(text)} characters, more than the {PIECE * PIECES} "
            "that edgeAgent reads; shorten them"
        )
    return {f"createOptions{index:02d}" if index else "createOptions": piece for index, piece in enumerate(pieces)}


def load(path: Path, architecture: str = "amd64", environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Read a manifest, or a template and make the manifest from it.

    Args:
        path: Of the template.
        architecture: For which images are named.
        environment: What `${NAME}` stands for.
    """
    content = read_json(path)
    if any(key.startswith("$schema-template") for key in content) or ".template." in path.name:
        return Template(path, architecture, environment).manifest()
    return content
