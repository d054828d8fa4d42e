# `make demo` and `make test` are all that a newcomer needs; each sets up what it uses.

PYTHON ?= python3
BIN := .venv/bin
MODEL := out/benchmark/model.onnx

# `make` alone lists what there is.
.DEFAULT_GOAL := help
help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):[^#]*##  *\(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name told; do \
		printf '%-14s%s\n' "$$name" "$$told"; done

.PHONY: help setup demo test test-quick check benchmark censoring reliability soak images image-test oldest clients azure boosting devtool lock clean

setup: .venv/ready  ## make .venv, from the lock

# Made anew when the lock changes.
.venv/ready: requirements/development.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed: make PYTHON=...")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/development.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

demo: setup  ## the main job, end to end: train, export, deploy, feed, score
	$(BIN)/python -m demo $(ARGS)

test: setup check  ## all checks and tests; ARGS="tests/simulator -k twin" for a part
	$(BIN)/python -m pytest $(ARGS)

test-quick: setup  ## the tests that need no whole device, service or fit; under a minute on two cores
	$(BIN)/python -m pytest --quiet --numprocesses auto --hypothesis-profile quick -m "not whole" $(ARGS)

check: setup  ## format, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

benchmark: setup $(MODEL)  ## what a message costs
	$(BIN)/python -m benchmarks.message $(MODEL)
	$(BIN)/python -m benchmarks.module $(MODEL)
	$(BIN)/python -m benchmarks.durable_input $(MODEL)

# Each fault as often as docs/reliability.md says; about 35 minutes.
reliability: setup  ## each fault many times; about 35 minutes
	FAULT_ROUNDS=20 $(BIN)/python -m pytest tests/test_reliability.py --timeout 6000 $(ARGS)
	FAULT_ROUNDS=20 $(BIN)/python -m pytest tests/modules/edge/journal/test_journal.py tests/modules/avrowriter/test_main.py \
		tests/modules/rulclassifier/test_same_as_undisturbed.py --timeout 6000
	$(BIN)/python -m pytest tests/modules -k any_bytes --hypothesis-profile many --timeout 6000

censoring: setup  ## what it costs that engines have not failed; ARGS="--subsets FD001 --shares 0.8"
	$(BIN)/python -m benchmarks.training.censoring $(ARGS)

# Length and rate can be set: make soak ARGS="--minutes 10 --rate 200"
soak: setup $(MODEL)  ## the module under load for long; ARGS="--minutes 10 --rate 200"
	$(BIN)/python -m benchmarks.soak $(MODEL) $(ARGS)

# One of them: make images ARCH=arm32v7
ARCH ?= amd64 arm64v8 arm32v7
images:  ## the container images; ARCH=arm32v7 for one
	for each in $(ARCH); do images/build.sh $$each || exit; done

# The oldest onnxruntime that a device may have, beside the newest, for tests that models answer alike in it.
oldest: out/oldest/ready  ## the oldest onnxruntime that a device may have
out/oldest/ready: requirements/oldest.txt
	$(PYTHON) -m venv out/oldest
	out/oldest/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	touch $@

# Makers of clients, for tests that they take the service's description; Node's also run the models.
clients: out/clients/ready  ## makers of clients of the service
out/clients/ready: requirements/clients.txt tests/node/package-lock.json
	$(PYTHON) -m venv out/clients
	out/clients/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	npm ci --ignore-scripts --no-audit --no-fund --prefix tests/node
	touch $@

# Azure's client of Blob Storage, and Azurite, which stands in for the storage itself.
azure: out/azure/ready  ## Azure's storage client, and Azurite
out/azure/ready: requirements/azure.txt tests/azurite/package-lock.json
	$(PYTHON) -m venv out/azure
	out/azure/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	npm ci --ignore-scripts --no-audit --no-fund --prefix tests/azurite
	touch $@

# What other libraries than scikit-learn boost with, for tests that their models are exported.
boosting: out/boosting/ready  ## LightGBM and XGBoost
out/boosting/ready: requirements/boosting.txt
	$(PYTHON) -m venv out/boosting
	out/boosting/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	touch $@

# The IoT Edge dev tool, for a test that it makes the same manifest of the template.
devtool: out/devtool/ready  ## the IoT Edge dev tool
out/devtool/ready: requirements/devtool.txt
	$(PYTHON) -m venv out/devtool
	out/devtool/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	touch $@

# Starts the images on the simulator's edge runtime; one that is missing fails.
image-test: setup  ## start the images on the simulator
	IMAGE_ARCHITECTURES="$(ARCH)" $(BIN)/python -m pytest tests/images

$(MODEL): | setup
	$(BIN)/python -m training fit --out $(MODEL)

# Universal locks (Python 3.11 to 3.14) with hashes; those of a device and of training are parts of the whole.
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header pyproject.toml
# The extras that `make setup` installs; others are large, and have locks of their own.
ALL := edge training service batch simulator
# What onnxruntime declares but never imports when it scores.
NOT_ON_A_DEVICE := flatbuffers protobuf
# What PyPI has no wheel of for armv7l, with what it needs itself.
FROM_DEBIAN := aiohappyeyeballs aiohttp aiosignal attrs frozenlist idna multidict numpy onnxruntime propcache yarl
lock: setup  ## renew the locks
	$(COMPILE) $(ALL:%=--extra %) --group development --output-file requirements/development.txt
	$(COMPILE) --extra edge --constraint requirements/development.txt --output-file requirements/device.txt
	$(COMPILE) --extra batch --extra azure --constraint requirements/development.txt --output-file requirements/azure.txt
	$(COMPILE) --extra training --extra boosting --constraint requirements/development.txt \
		--output-file requirements/boosting.txt
	$(COMPILE) --extra edge --extra training --constraint requirements/development.txt --output-file requirements/training.txt
	$(COMPILE) --extra edge --constraint requirements/development.txt $(NOT_ON_A_DEVICE:%=--no-emit-package %) \
		--output-file requirements/image.txt
	$(COMPILE) --extra edge --constraint requirements/development.txt \
		$(NOT_ON_A_DEVICE:%=--no-emit-package %) $(FROM_DEBIAN:%=--no-emit-package %) \
		--output-file requirements/image-arm32v7.txt
	echo msgspec | $(COMPILE:pyproject.toml=-) --constraint requirements/development.txt --output-file requirements/image-service.txt
	echo onnxruntime==1.21.0 numpy==2.2.6 | tr ' ' '\n' | $(COMPILE:pyproject.toml=-) --output-file requirements/oldest.txt
	echo iotedgedev | $(COMPILE:pyproject.toml=-) --output-file requirements/devtool.txt
	echo openapi-python-client | $(COMPILE:pyproject.toml=-) --output-file requirements/clients.txt
	echo cyclonedx-bom debsbom | tr ' ' '\n' | $(COMPILE:pyproject.toml=-) --output-file requirements/sbom.txt

clean:  ## remove all that is made
	rm -rf .venv out build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
