# Two commands do all the set-up: `make serve` and `make test`. Each builds its own virtual environment.
PYTHON ?= python3
VENV ?= .venv
STORE ?= store
HOST ?= 127.0.0.1
PORT ?= 8000
BIN := $(VENV)/bin

.PHONY: serve test check sample format clean test-gpu test-clients test-peers test-container test-browser

# Train on the generated sample text, publish, and serve at http://$(HOST):$(PORT).
serve: sample
	$(BIN)/python -m app --store $(STORE) --host $(HOST) --port $(PORT)

sample: $(VENV)/.serve
	@if [ ! -e $(STORE)/sample/latest ] || [ ! -e $(STORE)/sample-lm/latest ]; then \
		$(BIN)/python -m trainer sample --output $(STORE)/.sample/sample.txt && \
		$(BIN)/python -m trainer train cbow $(STORE)/.sample/sample.txt --recipe sample --name sample --store $(STORE) && \
		$(BIN)/python -m trainer train rnnlm $(STORE)/.sample/sample.txt --recipe sample-lm --name sample-lm --store $(STORE); \
	fi

# Everything that is checked: style, types, import rules, tests.
test: $(VENV)/.dev check
	$(BIN)/python -m pytest

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Needs a CUDA device; a test that needs one fails, not skips.
test-gpu: $(VENV)/.cuda
	$(BIN)/python -m pytest -m gpu --require-gpu

# The official clients of OpenAI's interface, LangChain's and LlamaIndex's, against a real server.
test-clients: $(VENV)/.clients
	$(BIN)/python -m pytest -m clients --require-peers tests/app

# What is written or computed beside gensim, fastText, model2vec, Arrow, faiss and an S3 that moto plays; none of it skips.
test-peers: $(VENV)/.peers
	$(BIN)/python -m pytest -m peers --require-peers

# The images, built and run by Docker, or by podman where no Docker answers; podman is installed where neither is there.
test-container: $(VENV)/.dev
	@docker info >/dev/null 2>&1 || command -v podman >/dev/null || \
		{ apt-get update -qq && apt-get install -qq --yes --no-install-recommends podman runc netavark iptables debootstrap; }
	$(BIN)/python -m pytest -m container --require-container -rP tests/container

# The page, in Debian's Chromium or any other Chromium or Chrome that is installed.
test-browser: $(VENV)/.browser
	@command -v chromium || command -v chromium-browser || command -v google-chrome || command -v google-chrome-stable || \
		{ apt-get update -qq && apt-get install -qq --yes --no-install-recommends chromium fonts-noto-cjk; }
	$(BIN)/python -m pytest -m browser --require-browser tests/browser

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.serve: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[serve,train]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@ $(VENV)/.serve

$(VENV)/.cuda: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --editable '.[dev,cuda]'
	@touch $@

$(VENV)/.clients: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --editable '.[dev,clients]'
	@touch $@

$(VENV)/.peers: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --editable '.[dev,peers]'
	@touch $@

$(VENV)/.browser: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --editable '.[dev,browser]'
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
