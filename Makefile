# tokser: `make help` lists the targets.

PYTHON ?= python3
VENV := .venv
BENCH_VENV := .venv-bench
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
export TOKSER_TEST_DATA ?= $(abspath $(wildcard ../shared))

# extract-librispeech
ROOT ?= corpora/LibriSpeech
SPLITS ?=
STORE ?= feats.zarr
ENCODERS ?= openai/whisper-base bert-base-uncased
LAYERS ?= last
# demo
OUT ?= demo
# reproduce-emodb, reproduce-iemocap, reproduce-table3
CORPORA ?= corpora
WORKSPACE ?= workspace
PRECISION ?= fp32
LARGE ?= openai/whisper-large
LARGE_SPEECH ?= whisper-large/layer-32
SYNTHETIC ?=

.DEFAULT_GOAL := help
.PHONY: help install requirements corpora-page test-corpora format lint types layers test test-fast test-faults bench bench-grid bench-scale bench-trainers bench-extract bench-gpu bench-store bench-reads bench-pretrain bench-coverage bench-emodb bench-heads bench-heads-scores bench-logreg bench-load bench-journey bench-labels bench-learn bench-audit docs dist images demo extract-librispeech reproduce-emodb reproduce-iemocap reproduce-table3 synthetic-material clean

help: ## List the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-20s %s\n", $$1, $$2}'

install: $(VENV)/.installed ## Make .venv with everything pinned in requirements.txt

$(VENV)/.installed: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("tokser needs Python 3.11 or later, this is " + sys.version.split()[0] + ": make PYTHON=python3.11 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv==$(UV_VERSION)
	$(BIN)/uv pip install --quiet --compile-bytecode --no-deps --require-hashes --python $(BIN)/python --requirement requirements.txt
	$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --python $(BIN)/python --editable .
	touch $@

requirements: install ## Pin what pyproject.toml asks for, by hash
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --all-extras \
	  --no-emit-index-url --no-annotate --no-header --upgrade pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --group bench \
	  --no-emit-index-url --no-annotate --no-header --upgrade --constraints requirements.txt -o requirements-bench.txt

corpora-page: install ## Write the table of docs/corpora.md
	$(BIN)/python tests/consistency/corpora_page.py

test-corpora: install ## Read every declared corpus from a small tree of its layout
	$(BIN)/python -m pytest -q tests/corpora/declared

format: install ## Lay the code out
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: install ## Check layout and common mistakes
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: install ## Check types, strictly
	$(BIN)/mypy

layers: install ## Check that data flows one way
	$(BIN)/lint-imports

# One process a core, each single-threaded: threads of several processes would wait for each other.
PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist worksteal

test: install ## Run the whole suite
	$(PYTEST)

test-fast: install ## Run the unit tests, for the edit loop
	$(PYTEST) -m "not slow and not faults and not docs and not browser" \
	  $(addprefix --ignore tests/,consistency faults regressions stages testing)

test-faults: install ## Kill, flip and fill: the big counts
	TOKSER_FAULTS=full $(BIN)/python -m pytest tests/faults tests/store/test_stateful.py tests/store/test_living.py tests/regressions --override-ini timeout=3600

bench: install ## Measure against peers
	$(BIN)/python -m pytest tests/benchmarks --override-ini python_files='bench_*.py' --override-ini addopts= --import-mode=importlib -s

bench-grid: install ## Measure grids of classifiers against one model at a time, write docs/benchmarks.md
	$(BIN)/python tests/benchmarks/bench_grid.py docs/benchmarks.md

bench-scale: install ## Measure a million utterances and 10,000 simulated hours, write docs/benchmarks.md
	$(BIN)/python tests/benchmarks/bench_scale.py docs/benchmarks.md

bench-trainers: install ## Measure the grid's compiled trainer against the batched one, write docs/benchmarks.md
	$(BIN)/python tests/benchmarks/bench_trainers.py docs/benchmarks.md

bench-extract: install ## Measure extraction against the bare encoder and usual scripts, write docs/benchmarks.md
	$(BIN)/python tests/benchmarks/bench_extract.py docs/benchmarks.md

bench-gpu: install ## Measure everything on one GPU within eight minutes, write docs/benchmarks.md
	$(BIN)/python tests/benchmarks/bench_gpu.py docs/benchmarks.md

bench-store: $(BENCH_VENV)/.installed ## Measure the store against every peer, write docs/benchmarks.md
	$(BENCH_VENV)/bin/python tests/benchmarks/bench_store.py docs/benchmarks.md

bench-reads: install ## Measure batches, cold disks and object stores against their limits, write docs/benchmarks.md
	$(BIN)/python tests/benchmarks/bench_reads.py docs/benchmarks.md

bench-pretrain: install ## Measure pretraining against plain steps, files and workers, write docs/benchmarks.md
	$(BIN)/python tests/benchmarks/bench_pretrain.py docs/benchmarks.md

bench-coverage: install ## Simulate coverage of intervals, error and power of tests, write docs/statistics.md
	$(BIN)/python tests/benchmarks/bench_coverage.py docs/statistics.md

bench-emodb: install ## Score real EmoDB with every layer and classifier, and with permuted labels; write README.md, docs/statistics.md
	$(BIN)/python tests/benchmarks/bench_emodb.py README.md docs/statistics.md

bench-heads: install ## Measure heads over frames against the usual loops and the arithmetic limit, write docs/benchmarks.md
	$(BIN)/python tests/benchmarks/bench_heads.py docs/benchmarks.md

bench-heads-scores: install ## Score real EmoDB with every head over frames, write docs/benchmarks.md
	$(BIN)/python tests/benchmarks/bench_heads_scores.py docs/benchmarks.md

bench-logreg: install ## Measure logistic regression and SVM beside scikit-learn, write docs/benchmarks.md
	$(BIN)/python tests/benchmarks/bench_logreg.py docs/benchmarks.md

bench-load: install ## Measure work beside busy processes against quiet, write docs/benchmarks.md
	$(BIN)/python tests/benchmarks/bench_load.py docs/benchmarks.md
bench-journey: install ## Measure whole journeys by the clock: wavs to page, one more experiment, start-up, demo; write docs/benchmarks.md
	$(BIN)/python tests/benchmarks/bench_journey.py docs/benchmarks.md

bench-labels: install ## Plant label errors in real EmoDB, look for them, write docs/doubtful-labels.md
	$(BIN)/python tests/benchmarks/bench_labels.py docs/doubtful-labels.md

bench-learn: install ## Measure which aligners listen, on real activations, write docs/attention-metrics.md
	$(BIN)/python tests/benchmarks/bench_learn.py docs/attention-metrics.md

bench-audit: install ## Measure which planted copies and speakers the audit finds, write docs/statistics.md
	$(BIN)/python tests/benchmarks/bench_audit.py docs/statistics.md

$(BENCH_VENV)/.installed: requirements.txt requirements-bench.txt pyproject.toml $(VENV)/.installed
	test -x $(BENCH_VENV)/bin/python || $(BIN)/python -m venv $(BENCH_VENV)
	$(BIN)/uv pip install --quiet --compile-bytecode --no-deps --require-hashes --python $(BENCH_VENV)/bin/python \
	  --requirement requirements.txt --requirement requirements-bench.txt
	$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --python $(BENCH_VENV)/bin/python --editable .
	touch $@

docs: install ## Build the documentation site in build/site, without a network
	rm -rf build/site
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet --doctree-dir build/doctrees --fresh-env --builder html docs build/site
	@echo "build/site/index.html"

dist: install ## Build the source distribution and the wheel in dist/, without a network
	rm -rf dist
	$(BIN)/python -m build --no-isolation --outdir dist .

images: install ## Draw the pictures of README.md and docs/ from real EmoDB; needs Chromium and TOKSER_TEST_DATA
	$(BIN)/python docs/_site/pictures.py

demo: install ## Run the main job on synthetic speech, no download
	$(BIN)/tokser demo --out $(OUT)

extract-librispeech: install ## ROOT= SPLITS="train-clean-100 …" (fetched if missing; none: all there) ENCODERS="ID …" LAYERS= STORE=
	$(if $(strip $(SPLITS)),$(BIN)/tokser download librispeech --only-missing --root $(ROOT) --splits "$(SPLITS)")
	$(BIN)/tokser extract --dataset librispeech --root $(ROOT) --layers $(LAYERS) --store $(STORE) \
	  $(foreach split,$(SPLITS),--split $(split)) $(foreach encoder,$(ENCODERS),--encoder $(encoder))

# What a reproduction is run on: the corpora and the hub, or with SYNTHETIC=1 what the demo synthesises.
comma := ,
space := $(subst ,, )
REAL = workspace=$(WORKSPACE) librispeech=$(CORPORA)/LibriSpeech precision=$(PRECISION) \
  large=$(LARGE) large_speech=$(LARGE_SPEECH) splits=[$(subst $(space),$(comma),$(strip $(SPLITS)))]
REAL_emodb = emodb=$(CORPORA)/emodb
REAL_iemocap = iemocap=$(CORPORA)/IEMOCAP
MATERIAL := workspace-synthetic
RANDOM_ENCODERS := $(MATERIAL)/encoders
MADE_UP = workspace=$(MATERIAL) librispeech=$(MATERIAL)/corpora/LibriSpeech \
  base=$(RANDOM_ENCODERS)/whisper-base-random base_speech=whisper-base-random/layer-6 \
  large=$(RANDOM_ENCODERS)/whisper-large-random large_speech=whisper-large-random/layer-3 \
  wavlm=$(RANDOM_ENCODERS)/wavlm-base-random \
  bert=$(RANDOM_ENCODERS)/bert-base-uncased-random bert_text=bert-base-uncased-random/contextual \
  multilingual=$(RANDOM_ENCODERS)/bert-base-multilingual-cased-random \
  multilingual_text=bert-base-multilingual-cased-random/contextual \
  epochs=5 batch_size=32 learning_rate=1.0e-3 baseline_batches=[32,64] proposed_batches=[16,32]
MADE_UP_emodb = emodb=$(MATERIAL)/corpora/emodb
MADE_UP_iemocap = iemocap=$(MATERIAL)/corpora/IEMOCAP
KIND = $(if $(SYNTHETIC),MADE_UP,REAL)
HOME_OF_RUNS = $(if $(SYNTHETIC),$(MATERIAL),$(WORKSPACE))
CAUTION = "Synthetic speech and random encoders, so these scores mean nothing."
reproduce = $(BIN)/tokser run pipelines/reproduce-$(1).yaml \
  $(foreach value,$($(KIND)) $($(KIND)_$(1)),--set $(value)) $(if $(SYNTHETIC),--set caution=$(CAUTION))

reproduce-emodb: install $(if $(SYNTHETIC),synthetic-material) ## Tables 1 to 3, EmoDB: CORPORA= WORKSPACE= SPLITS= PRECISION=, or SYNTHETIC=1
	$(call reproduce,emodb)

reproduce-iemocap: install $(if $(SYNTHETIC),synthetic-material) ## The same, IEMOCAP
	$(call reproduce,iemocap)

reproduce-table3: reproduce-emodb reproduce-iemocap ## Both, on one page
	$(BIN)/tokser report $(foreach part,emodb-baselines emodb-proposed iemocap-baselines iemocap-proposed iemocap-dimensions,$(HOME_OF_RUNS)/results/$(part)) \
	  $(foreach run,mono-base mono-large multi-base multi-large,--run $(HOME_OF_RUNS)/runs/$(run)) \
	  --title "Beside Idiap-RR-07-2025" --out $(HOME_OF_RUNS)/reproduce-table3.html

synthetic-material: install
	$(BIN)/tokser demo --only-material --out $(MATERIAL)

clean: ## Remove what was built, not what was extracted
	rm -rf $(VENV) $(BENCH_VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find tokser tests -name __pycache__ -type d -prune -exec rm -rf {} +
