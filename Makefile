# Every target runs from a fresh clone: the first one that needs .venv creates it and installs.
PYTHON ?= python3
BIN := .venv/bin
LAB_FLAGS ?=
# Number of processes that share the test files; each uses one core. 0: all tests in this process.
WORKERS ?= 2
STAMP := .venv/.installed
EXTRAS := lab,test,control
DOCS_STAMP := .venv/.installed-docs
BROWSER_STAMP := .venv/.installed-browser
GRADING_STAMP := .venv/.installed-grading

.DEFAULT_GOAL := help
.PHONY: help install demo test test-slow lab notebooks bench format docs browser-test assignments assignments-test

help: ## list all targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

install: $(STAMP) ## make .venv and install the project into it

# constraints.txt pins the tested versions. Delete the -c option to install the newest versions.
$(STAMP): pyproject.toml constraints.txt
	@echo "installing into .venv: this takes a few minutes and, with PyTorch, about 6 GB"
	@if command -v uv >/dev/null 2>&1; then \
		uv venv --allow-existing --python $(PYTHON) .venv && \
		uv pip install --python $(BIN)/python -e '.[$(EXTRAS)]' -c constraints.txt; \
	else \
		$(PYTHON) -m venv .venv && \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[$(EXTRAS)]' -c constraints.txt; \
	fi
	@touch $@

demo: $(STAMP) ## train the toy network and see it learn (10 s after the installation)
	$(BIN)/python demos/train_toy.py --epochs 10

test: $(STAMP) ## run the tests: every lesson, style, units, examples, programs (15 min)
	$(BIN)/python -m pytest --nbmake -n $(WORKERS) --dist loadgroup

# Types, every neuron with every option, Triton's loops, kills and restarts, fuzzers, studies,
# solutions.
test-slow: $(STAMP) ## run the tests that take long and seldom break alone, which CI runs as well (15 min)
	$(BIN)/python -m pytest --nbmake -n $(WORKERS) --dist loadgroup -m slow

lab: $(STAMP) ## open JupyterLab on the notebooks (without its prompt about news)
	$(BIN)/jupyter lab --LabApp.news_url=None $(LAB_FLAGS) notebooks

notebooks: $(STAMP) ## run every notebook in full and keep its outputs (needs MNIST; an hour)
	$(BIN)/python tools/notebooks.py build

bench: $(STAMP) ## test the benchmarks, then compare the speed with the machine's limits and other libraries
	$(BIN)/python -m pytest -q -m bench tests/project/test_benchmarks.py
	$(BIN)/python -m benchmarks --output runs/bench
	$(BIN)/python -m benchmarks.sparse --output runs/bench

docs: $(DOCS_STAMP) ## build the site into docs/_build/html from the committed outputs (half a minute)
	$(BIN)/python -m sphinx -W -n --keep-going -q -b html -d docs/_build/doctrees docs docs/_build/html
	@echo "open docs/_build/html/index.html"

$(DOCS_STAMP): $(STAMP)
	@if command -v uv >/dev/null 2>&1; then \
		uv pip install --python $(BIN)/python -e '.[docs]' -c constraints.txt; \
	else \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[docs]' -c constraints.txt; \
	fi
	@touch $@

browser-test: $(BROWSER_STAMP) $(DOCS_STAMP) ## run lesson 102 in Chromium; drag the sliders of lessons and site (4 min)
	@tools/install_browser.sh
	$(BIN)/python -m pytest --tb=short tests/browser

$(BROWSER_STAMP): $(STAMP)
	@if command -v uv >/dev/null 2>&1; then \
		uv pip install --python $(BIN)/python -e '.[browser]' -c constraints.txt; \
	else \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[browser]' -c constraints.txt; \
	fi
	@touch $@

assignments: $(GRADING_STAMP) ## write every lesson as an nbgrader assignment into runs/assignments (1 min)
	$(BIN)/python tools/assignments.py

assignments-test: $(GRADING_STAMP) ## release, hand in and mark assignments with nbgrader (2 min)
	$(BIN)/python -m pytest --tb=short tests/project/test_assignments.py -k nbgrader

$(GRADING_STAMP): $(STAMP)
	@if command -v uv >/dev/null 2>&1; then \
		uv pip install --python $(BIN)/python -e '.[grading]' -c constraints.txt; \
	else \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[grading]' -c constraints.txt; \
	fi
	@touch $@

format: $(STAMP) ## format the sources, and fix what ruff can fix
	$(BIN)/ruff check --fix . && $(BIN)/ruff format .
