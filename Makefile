# The project's commands; `make` alone lists them. README.md has the plain commands behind them.

VENV := .venv
BIN := $(VENV)/bin
# looked up only when a virtual environment has to be made
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	"$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
	&& echo "$$python" && break; done)
PIP_INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --require-hashes
PIN := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-strip-extras --custom-compile-command "make requirements"
COMPILE := $(PIN) pyproject.toml
# the node's packages alone, without those of the service
PACS := $(BIN)/python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']['pacs'], sep='\n')"
# what looks at the product from outside and shares no package with it
TOOLS := .tools
# where the site and the bundle are built
BUILD := build
VERSION := $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' service/__init__.py)
BUNDLE := $(BUILD)/pneumonia-$(VERSION)
# the list of packages, whose maker reads the version from the project file alone
SBOM = sed 's/^dynamic = .*/version = "$(VERSION)"/' pyproject.toml > $(BUILD)/pyproject.toml \
	&& $(TOOLS)/bin/cyclonedx-py requirements requirements/serving.txt \
		--pyproject $(BUILD)/pyproject.toml --output-reproducible --output-file
# where manifests and documentation name an image of this version
TAGGED := (pneumonia-detection(-pacs)?:|newTag: )[0-9]+\.[0-9]+\.[0-9]+
# what the site shows and links to: pages keep their places, so that every link works as it does in the repository
PAGES := README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md LICENSE docs training/weights/NOTICE models/MODEL_CARD.md \
	$(wildcard models/reports/*/*.md models/reports/*/*.png models/reports/run/*.json)

CHILDREN ?= data/chest_xray
ADULTS ?= data/nih_adult
# images that are not chest X-rays, where there are any
OUT_OF_DISTRIBUTION ?= data/not_chest_xray
# adults of a third source, never trained on: NORMAL and another disease
SCREENING ?= data/montgomery
# lung masks of the children, in the frame of their images
LUNG_MASKS ?= data/lung_masks/chest_xray
RUN := runs/model
# the same recipe with each block of patient numbers held out, for the predictions; one serves calibration too
BLOCKS := runs/block0 runs/block1 runs/block2
CALIBRATION_BLOCK := runs/block2
LUNGS := runs/lungs
TRAIN := $(BIN)/pneumonia train $(CHILDREN) --also $(ADULTS) --also-times 3 --area 0.1 1 --tone 0.7 \
	--phase 128:0.18:8:0.0007:norms
MODEL := models/pneumonia.onnx
POPULATION := "Frontal chest X-rays of children aged 1 to 5 at one centre in Guangzhou, China; the \
	training data may hold other people too, for whom the figures do not speak"

.PHONY: help serve test test-fast check format train model model-report yardstick requirements bench-startup bench-memory \
	bench bench-peers bench-growth bench-tuning bench-drift bench-tradeoff bench-small-data bench-dicom bench-ray overload soak fuzz audit platforms version image docs site bundle screenshots \
	clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' Makefile

serve: $(VENV)/.serving ## start the service, by default on http://127.0.0.1:8000
	@exec $(BIN)/pneumonia serve

test: $(VENV)/.development $(TOOLS)/.installed ## run every test; ARGS="-k admission" runs some
	$(BIN)/python -m pytest $(ARGS)

test-fast: $(VENV)/.development ## run the tests that start no process: unit and integration
	$(BIN)/python -m pytest tests/unit tests/integration --numprocesses 2 --dist loadfile $(ARGS)

check: $(VENV)/.development ## format, lint, types, generated tables
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m benchmarks.publish --check

format: $(VENV)/.development ## format the code and mend what the linter can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

train: $(VENV)/.training ## train on data/; ARGS="--help" lists what can be set
	$(BIN)/pneumonia train $(ARGS)

# interrupted, it goes on where it was
model: $(VENV)/.training $(CALIBRATION_BLOCK)/validation.npz $(LUNGS)/lungs.json ## train, export and score what ships (two to three hours on two cores; CHILDREN=, ADULTS=, LUNG_MASKS=)
	$(TRAIN) --out $(RUN) $(if $(wildcard $(RUN)/state.json),--resume)
	$(BIN)/pneumonia export $(RUN) --siblings $(CALIBRATION_BLOCK) --lungs $(LUNGS) --out $(MODEL) \
		--model-version 2.1.3 --ages 1 5 --population $(POPULATION)
	$(MAKE) model-report

runs/block%/validation.npz: | $(VENV)/.training
	$(TRAIN) --block $* --screen --out $(@D) $(if $(wildcard $(@D)/state.json),--resume)

$(LUNGS)/lungs.json: | $(VENV)/.training
	$(BIN)/pneumonia lungs $(CHILDREN) --masks $(LUNG_MASKS) --out $(@D)

model-report: $(VENV)/.development $(BLOCKS:=/validation.npz) ## score the shipped model anew and fill README and model card
	rm -f models/reports/children/out_of_distribution.json
	$(BIN)/pneumonia evaluate $(MODEL) $(CHILDREN) --only $(RUN)/validation.txt --shifts --audit --conflicting \
		$(if $(wildcard $(OUT_OF_DISTRIBUTION)),--out-of-distribution $(OUT_OF_DISTRIBUTION)) --out models/reports/children
	$(BIN)/pneumonia evaluate $(MODEL) $(ADULTS) --only $(RUN)/validation.txt \
		--out models/reports/adults
	mkdir -p models/reports/run
	cp $(addprefix $(RUN)/,configuration.json history.csv curves.png input_check.json) \
		$(LUNGS)/lungs.json models/reports/run
	for block in $(notdir $(BLOCKS)); do mkdir -p models/reports/$$block \
		&& cp runs/$$block/configuration.json runs/$$block/history.csv models/reports/$$block || exit; done
	$(BIN)/pneumonia data shortcuts $(CHILDREN) --out $(RUN)/shortcuts --masks $(LUNG_MASKS)
	cp $(RUN)/shortcuts/shortcuts.json models/reports
	$(BIN)/python -m export.expected $(MODEL) $(RUN) $(BLOCKS)
	$(BIN)/python -m training.reports.shipped $(RUN) $(CHILDREN) $(ADULTS)
	$(BIN)/python -m benchmarks.publish

yardstick: $(VENV)/.development ## measure networks by docs/yardstick.md: CANDIDATES="--candidate NAME RUN..." OUT=NAME.json
	@[ -n "$(OUT)" ] || { echo 'say where to: OUT=NAME.json in models/reports/yardstick'; exit 2; }
	$(BIN)/python -m training.yardstick --children $(CHILDREN) --adults $(ADULTS) \
		--adults-table $(ADULTS).csv --screening $(SCREENING) $(CANDIDATES) \
		--out models/reports/yardstick/$(OUT)
	$(BIN)/python -m benchmarks.publish

bench-startup: $(VENV)/.development ## measure start to ready
	$(BIN)/python -m benchmarks startup $(ARGS)

bench-memory: $(VENV)/.development ## measure memory over 20,000 mixed requests (some 10 minutes)
	$(BIN)/python -m benchmarks memory $(ARGS)

bench: $(VENV)/.development ## measure what HTTP costs against the same work without it (5 minutes)
	$(BIN)/python -m benchmarks speed $(ARGS)

bench-peers: $(VENV)/.development ## measure other servers beside ours (12 minutes with installing)
	$(BIN)/python -m benchmarks peers $(ARGS)

bench-growth: $(VENV)/.development ## measure growth with clients, image size, replicas (3 minutes)
	$(BIN)/python -m benchmarks growth $(ARGS)

bench-tuning: $(VENV)/.development ## measure the runtime's options (2 minutes)
	MALLOC_ARENA_MAX=1 $(BIN)/python -m benchmarks tuning $(ARGS)

bench-drift: $(VENV)/.development ## measure what scaled decoding changes (1 minute)
	$(BIN)/python -m benchmarks drift $(ARGS)

# a few minutes; needs the run that ships
bench-tradeoff: $(VENV)/.development ## weigh accuracy against speed: size and eight bits (RUN=, CHILDREN=)
	$(BIN)/python -m export.tradeoff $(RUN) $(CHILDREN) $(ARGS)

# about a minute more than twice SECONDS
overload: $(VENV)/.development ## ask five times more than can be answered, for SECONDS=60
	$(BIN)/python -m benchmarks overload --seconds $(or $(SECONDS),60) $(ARGS)

# ten minutes, or ARGS="--seconds 60"
soak: $(VENV)/.development ## send good and bad requests for ten minutes: leaks, errors, hangs
	$(BIN)/python -m benchmarks soak $(ARGS)

# about ten minutes on two cores
fuzz: $(VENV)/.development $(TOOLS)/.installed ## mutated files, forms, contracts, any request: no 500, crash, hang
	FUZZ_INPUTS=$(or $(INPUTS),15000) $(BIN)/python -m pytest tests/e2e/test_fuzz.py -v -s $(ARGS)

# under a minute; fails where a vulnerability is known, and where the database could not be asked
audit: $(TOOLS)/.installed ## build/sbom.json, and known vulnerabilities of all pins
	mkdir -p $(BUILD)
	$(SBOM) $(BUILD)/sbom.json
	$(TOOLS)/bin/pip-audit --strict --disable-pip --require-hashes \
		$(patsubst %,--requirement requirements/%.txt,serving pacs ray training development tools)

# about ten minutes on two quiet cores
bench-small-data: $(VENV)/.development ## train on 300 images by the plain call, score 800 others (CHILDREN=)
	$(BIN)/python -m training.reports.small_data $(CHILDREN) $(ARGS)

# ten minutes
bench-ray: $(VENV)/.development ## measure the Ray engine against the local one, and on 1, 2 and 4 nodes
	$(BIN)/python -m benchmarks ray_engine $(ARGS)

bench-dicom: $(VENV)/.development ## read every DICOM test file, and time the reader
	$(BIN)/python -m tests.dicom_matrix
	$(BIN)/python -m benchmarks dicom_reader

platforms: $(VENV)/.development ## ask for which platforms the packages of the service can be had
	$(BIN)/python -m benchmarks platforms

version: ## write the version of service/__init__.py into manifests and documentation
	git grep -lE '$(TAGGED)' | xargs sed -i -E 's/$(TAGGED)/\1$(VERSION)/'

# the service, and the DICOM node
image: ## build the container images
	docker build --tag pneumonia-detection:$(VERSION) .
	docker build --tag pneumonia-detection-pacs:$(VERSION) --target pacs .

docs: $(VENV)/.development ## write the generated tables into README, docs and model card
	$(BIN)/python -m benchmarks.publish
	$(BIN)/python -m tests.refusals

site: $(TOOLS)/.installed ## build the documentation in build/site; a broken link stops it
	rm -rf $(BUILD)/pages $(BUILD)/site && mkdir -p $(BUILD)/pages
	tar -cf $(BUILD)/pages.tar --exclude zensical.toml $(PAGES) && tar -xf $(BUILD)/pages.tar -C $(BUILD)/pages
	cp docs/zensical.toml $(BUILD)
	$(TOOLS)/bin/zensical build --strict --config-file $(BUILD)/zensical.toml
	@echo "$(BIN)/python -m http.server --directory $(BUILD)/site shows it"

# another Python or processor: docs/platforms.md
bundle: site $(VENV)/.serving ## pack what a machine without internet needs, for the Python of this one
	rm -rf $(BUNDLE) && mkdir -p $(BUNDLE)/models
	cp -R deploy/bundle/. LICENSE requirements/serving.txt service $(BUILD)/site $(BUNDLE)
	cp models/pneumonia.onnx models/MODEL_CARD.md $(BUNDLE)/models
	find $(BUNDLE)/service -name __pycache__ -prune -exec rm -rf {} +
	$(BIN)/python -m pip download --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
		--requirement requirements/serving.txt --dest $(BUNDLE)/wheels $(ARGS)
	$(SBOM) $(BUNDLE)/sbom.json
	cd $(BUNDLE) && find . -type f ! -name SHA256SUMS -print0 | LC_ALL=C sort -z | xargs -0 sha256sum > SHA256SUMS
	tar -czf $(BUNDLE).tar.gz -C $(BUILD) $(notdir $(BUNDLE))
	sha256sum $(BUNDLE).tar.gz

screenshots: $(VENV)/.development ## take the screenshots of the page in docs/images anew
	$(BIN)/python -m tests.screenshots

# development comes first: the other two are parts of it and must pin the same versions
requirements: $(VENV)/.development ## pin anew after pyproject.toml changed; UPGRADE=--upgrade for newer
	$(COMPILE) $(UPGRADE) --extra development --output-file requirements/development.txt
	$(COMPILE) --extra training --constraints requirements/development.txt \
		--output-file requirements/training.txt
	$(COMPILE) --extra ray --constraints requirements/development.txt --output-file requirements/ray.txt
	$(COMPILE) --constraints requirements/development.txt --output-file requirements/serving.txt
	$(PACS) | $(PIN) - --constraints requirements/development.txt --output-file requirements/pacs.txt
	$(PIN) $(UPGRADE) --group tools --output-file requirements/tools.txt

clean: ## remove the virtual environment and all caches, but no data and no training run
	rm -rf $(VENV) $(TOOLS) .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find service training export tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "This project needs Python 3.11 to 3.13, and none is on the \
	PATH: install one, or name one with make PYTHON=/path/to/python (3.14 needs a C++ compiler)." >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "$(PYTHON) is not Python 3.11 or newer: name one with make PYTHON=..." >&2; exit 1; }
	"$(PYTHON)" -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# The command: a checkout is used where it stands, nothing is built or copied. glibc reads MALLOC_* when
# a process starts: one arena, so that the freed memory of each thread is not kept apart; training keeps
# all that it frees, since TensorFlow allocates the result of every operation anew.
KEEP_FREED := MALLOC_MMAP_MAX_=0 MALLOC_TOP_PAD_=268435456 MALLOC_TRIM_THRESHOLD_=2147483647
$(BIN)/pneumonia: $(BIN)/python
	@printf '%s\n' '#!/bin/sh' 'export MALLOC_ARENA_MAX=1' \
		'[ "$$1" != train ] || export $(KEEP_FREED)' > $@
	@printf 'PYTHONPATH="%s" exec "%s/$(BIN)/python" -P -m service "$$@"\n' \
		"$(CURDIR)" "$(CURDIR)" >> $@
	@chmod +x $@

# each stamp says that its requirements are installed, so that a second run starts at once
$(VENV)/.serving: requirements/serving.txt | $(BIN)/pneumonia
	$(PIP_INSTALL) -r $<
	@touch $@

$(VENV)/.training: requirements/training.txt | $(BIN)/pneumonia
	$(PIP_INSTALL) -r $<
	@touch $@ $(VENV)/.serving

$(VENV)/.development: requirements/development.txt | $(BIN)/pneumonia
	$(PIP_INSTALL) -r $<
	@touch $@ $(VENV)/.training $(VENV)/.serving

$(TOOLS)/.installed: requirements/tools.txt | $(BIN)/python
	$(BIN)/python -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip install --disable-pip-version-check --require-hashes -r $<
	@touch $@
