# make install   create .venv with the command `harness` and everything the tests need
# make score     score CAT-WaveNet on the simulated corpus (made on first use), and show its board
# make music     score EEG2Mel's CNN and a ridge on simulated music (made on first use), and show their board
# make check     format, lint, types, quick tests: three minutes
# make check-all the same with every test: the line that CI runs, about sixteen minutes on two cores
# make docs      fill in what README.md and docs/ quote from the committed records and figures
# make site      the documentation as pages in site/, with the notebooks run
# make lock      write uv.lock anew, with the versions of constraints.txt
# make fuzz      every reader on thousands of broken files (docs/faults.md)
# make kill-test kill -9 every command at random moments, and give it again (docs/faults.md)
# make mutants   change the code, one thing at a time, and see whether its tests fail: by hand, hours;
#                one room: make mutants ROOMS=scoring; one module: ROOMS=records/key
# make retrain   train nets again from their committed recipes and compare their scores: by hand, hours;
#                some: make retrain NETS='linear vlaai'
# make bench     measure every figure of docs/results.md again

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# On Linux, PyPI's torch brings gigabytes of CUDA. For the CPU build:
# make install TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
STAMP := $(VENV)/.installed

.PHONY: install score music lint check check-all format docs site lock fuzz kill-test mutants retrain bench clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0])'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $(STAMP)

score: install
	HARNESS_DATA= $(BIN)/harness score submissions/catwavenet
	@echo
	$(BIN)/harness rank --board simulated/held-out-subjects/test/mel

MUSIC := --split music-listeners-blocks --feature music-mel-db
music: install
	HARNESS_DATA= $(BIN)/harness score baselines/ridge-psd $(MUSIC)
	HARNESS_DATA= $(BIN)/harness score submissions/eeg2mel $(MUSIC)
	@echo
	$(BIN)/harness rank --board simulated-nmed-t/music-listeners-blocks/test/music-mel-db

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint
	$(BIN)/pytest -m 'not slow'

check-all: lint
	$(BIN)/pytest

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: install
	$(BIN)/python docs/make.py
	PYTHONPATH=. $(BIN)/python docs/curve.py

# mkdocs-material says with every build that mkdocs will change; the dependency has a bound for that.
SITE ?= site
site: install
	NO_MKDOCS_2_WARNING=1 EXECUTE_NOTEBOOKS=1 PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m mkdocs build --strict --site-dir $(SITE)

# The versions of constraints.txt, but for pillow: the extra trackio takes none from 13 on.
lock: install
	$(BIN)/uv lock $$(sed -n '/^pillow==/d; s/^[[:alnum:]].*/-P &/p' constraints.txt)

# As many files a reader as you like: make fuzz FILES=20000
FILES ?= 2000
fuzz: install
	$(BIN)/python tests/fuzz/long.py $(FILES)

KILLS ?= 102
kill-test: install
	$(BIN)/python tests/kills/long.py $(KILLS)
	$(BIN)/python tests/kills/queue_kills.py $(KILLS)

bench: install
	$(BIN)/python -m benchmarks

retrain: install
	$(BIN)/python -m benchmarks.retrain $(NETS)

mutants: install
	$(BIN)/python tests/mutants/run.py $(ROOMS)

clean:
	rm -rf $(VENV) build dist site *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
