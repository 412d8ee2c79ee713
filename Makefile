# Two commands: `make demo` (poses of the heads in the demo photos, nothing but the embedded weights) and `make test`.
# Windows has no make: CONTRIBUTING.md has the same steps for pip.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
DEMO := demo-output
LOCK := constraints/training.txt
LOWEST := .venv-lowest
LOWEST_PYTHON ?= 3.10
TRACKING := .venv-tracking
LINTED := src tests benchmarks docs examples fuzz

.PHONY: demo test test-lowest test-tracking lint docs wheel sbom lock clean
.DEFAULT_GOAL := demo

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 10) else "Python 3.10 or newer is needed: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.runtime: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.dev: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable . --group dev
	touch $@ $(VENV)/.runtime

demo: $(VENV)/.runtime
	$(BIN)/semiuhpe predict docs/demo --output $(DEMO)
	@echo "Pictures and predictions.json are in $(DEMO)/"

test: $(VENV)/.dev
	@ldconfig -p 2>/dev/null | grep -q libEGL.so || echo "rendering is not tested: apt-get install libegl1 libgl1-mesa-dri"
	$(MAKE) lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest

# The lowest versions that pyproject.toml allows, on the lowest Python: all tests that need no torch.
$(LOWEST)/.installed: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv venv --quiet --clear --python $(LOWEST_PYTHON) $(LOWEST)
	$(BIN)/uv pip install --quiet --python $(LOWEST) --resolution lowest-direct --editable '.[data,evaluate,pandas,hub]'
	$(BIN)/uv pip install --quiet --python $(LOWEST) pytest pytest-timeout hypothesis mpmath pyyaml
	touch $@

test-lowest: $(LOWEST)/.installed
	OMP_NUM_THREADS=1 $(LOWEST)/bin/python -m pytest --torch-free

# The real ByteTrack: apart, because its package brings a second OpenCV.
$(TRACKING)/.installed: $(BIN)/python pyproject.toml
	$(BIN)/python -m venv --clear $(TRACKING)
	$(TRACKING)/bin/python -m pip install --quiet --editable '.[tracking]' pytest pytest-timeout hypothesis
	touch $@

test-tracking: $(TRACKING)/.installed
	OMP_NUM_THREADS=1 $(TRACKING)/bin/python -m pytest tests/tracking/test_tracker.py

lint: $(VENV)/.dev
	$(BIN)/ruff check $(LINTED)
	$(BIN)/ruff format --check $(LINTED)
	$(BIN)/mypy

docs: $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable . --group docs
	$(BIN)/python -m mkdocs build --strict

wheel: $(BIN)/python
	$(BIN)/python -m pip install --quiet --group release
	$(BIN)/python -m build
	$(BIN)/python -m twine check --strict dist/*

# What `pip install` of the wheel brings along, as CycloneDX.
sbom: $(BIN)/python
	$(BIN)/python -m pip install --quiet --group release
	$(BIN)/python -m venv --clear build/sbom
	$(BIN)/python -m pip --python build/sbom/bin/python install --quiet .
	build/sbom/bin/python -m pip uninstall --quiet --yes pip
	mkdir -p dist
	$(BIN)/cyclonedx-py environment --output-reproducible --output-file dist/semiuhpe.cdx.json build/sbom/bin/python

lock: $(VENV)/.dev
	$(BIN)/python -c 'import platform as p; print(f"# Made by make lock: Python {p.python_version()}, {p.system()} {p.machine()}.")' > $(LOCK).tmp
	$(BIN)/python -m pip freeze --exclude-editable >> $(LOCK).tmp
	mv $(LOCK).tmp $(LOCK)

clean:
	rm -rf $(VENV) $(TRACKING) $(LOWEST) $(DEMO) build dist site
