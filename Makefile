# The project's commands. The first one that runs sets up an environment and a ComfyUI core outside the checkout, once:
# see scripts/bootstrap.py. COMFYUI_PATH=/path/to/ComfyUI uses an installed one instead.
.DEFAULT_GOAL := help
.PHONY: help setup demo test serve lint bench-quality bench-fill bench-depth bench-body bench-assign bench-completion bench-attention bench-layers bench-ablations bench-magiceraser bench-ghosts bench-batch batch scenes score sheet bench-methods train train-adapter train-prompt

PYTHON ?= python3
RUN = $(PYTHON) scripts/bootstrap.py

OUT ?= out/demo
PORT ?= 8188
PHOTOS ?= ../shared/photos
RUNS ?= runs/mini
PAIRS ?= $(RUNS)/pairs
COUNT ?= 20000
MINUTES ?= 600
TESTS ?= tests
WORKERS ?= 2

help:  ## list the commands
	@echo "make COMMAND [NAME=value ...]"
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/  \1\t\2/p' Makefile | expand -t 20

setup:  ## make the environment and fetch ComfyUI (about 6 GB, some minutes, once)
	$(RUN)

demo:  ## erase people in a real ComfyUI and show it: OUT=out/demo [PHOTO=p.jpg MASKS="m1.png m2.png" ERASE=1,3]
	$(RUN) scripts/demo.py --out "$(OUT)" $(if $(PHOTO),--photo "$(PHOTO)") $(if $(MASKS),--masks $(MASKS)) $(if $(ERASE),--erase "$(ERASE)")

serve:  ## run ComfyUI with this pack until Ctrl-C: PORT=8188
	$(RUN) scripts/serve.py --port $(PORT)

test:  ## run the tests, so many at a time (0: in one process, to debug): TESTS=tests WORKERS=2
	$(RUN) -m pytest --numprocesses $(WORKERS) --dist worksteal $(TESTS)

lint:  ## check style and types; those of web/ where npm is at hand
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy --explicit-package-bases mild_core nodes scripts
	$(RUN) scripts/check_web.py || [ $$? = 2 ]

# Truth scenes, and scores of erasers on them or on another benchmark's folder; both go on where they stopped.
SCENES ?= out/scenes
NUMBER ?= 200
JOBS ?= 2
BENCH ?= $(SCENES)
PROTOCOL ?= scenes
ERASERS ?= telea ns exemplar workflows/api/erase.json
SCORES ?= out/score
NETWORKS ?=
scenes:  ## build truth scenes as a benchmark: PHOTOS=../shared/photos SCENES=out/scenes NUMBER=200 JOBS=2
	$(RUN) -m mild_core.data scenes --photos "$(PHOTOS)" --out "$(SCENES)" --count $(NUMBER) --jobs $(JOBS)

score:  ## score erasers on a benchmark, with a report: BENCH=out/scenes ERASERS="telea mine.json" SCORES=out/score PROTOCOL=scenes NETWORKS=dir
	$(RUN) -m mild_core.bench "$(BENCH)" --protocol $(PROTOCOL) --out "$(SCORES)" $(foreach eraser,$(ERASERS),--eraser "$(eraser)") $(if $(NETWORKS),--networks "$(NETWORKS)")

bench-ablations:  ## score the whole graph and what it is without each part on truth scenes: PHOTOS=../shared/photos
	$(RUN) -m mild_core.data scenes --photos "$(PHOTOS)" --out out/scenes-256 --count 200 --short-side 256 --jobs $(JOBS)
	$(RUN) scripts/ablations.py --out out/ablations
	$(RUN) -m mild_core.bench out/scenes-256 --out out/ablations/scores --give-effects --baseline full \
	    --eraser telea --eraser ns --eraser exemplar $(foreach graph,$(ABLATIONS),--eraser out/ablations/$(graph).json)
ABLATIONS = full no-layers no-attention no-morphology no-fill layers-alone attention-alone morphology-alone fill-alone none

bench-magiceraser:  ## MagicEraser's ablation by its protocol: PHOTOS=../shared/photos, or BENCH=dir; FILES="--checkpoint a.safetensors …"
	test "$(BENCH)" != out/scenes || $(RUN) -m mild_core.data scenes --photos "$(PHOTOS)" --out out/scenes --count 100 --jobs $(JOBS)
	$(RUN) scripts/bench_magiceraser.py "$(BENCH)" --out out/magiceraser $(if $(NETWORKS),--networks "$(NETWORKS)") $(FILES)

bench-quality:  ## score erasing against the truth on a photo library: PHOTOS=../shared/photos
	$(RUN) scripts/bench_quality.py --photos "$(PHOTOS)"

bench-fill:  ## time and score the content fill
	$(RUN) scripts/bench_fill.py

bench-depth:  ## how often the depth order is told right, from masks: PHOTOS=../shared/photos
	$(RUN) scripts/bench_depth.py --photos "$(PHOTOS)"

bench-body:  ## how well hidden bodies and joints are guessed, from masks: PHOTOS=../shared/photos
	$(RUN) scripts/bench_body.py --photos "$(PHOTOS)"

bench-assign:  ## how often poses are given to the right people: PHOTOS=../shared/photos
	$(RUN) scripts/bench_assign.py --photos "$(PHOTOS)"

bench-completion:  ## how well the bundled model completes who was hidden: PHOTOS=../shared/photos
	$(RUN) scripts/bench_completion.py --photos "$(PHOTOS)" --adapter mild_core/models/adapters/mild_morphology.safetensors

bench-attention:  ## time and memory of modulated attention beside plain attention
	$(RUN) scripts/bench_attention.py

bench-layers:  ## what erasing many people costs, LoRAs in one pass, the limits
	$(RUN) scripts/bench_layers.py

sheet:  ## real photographs through the shipped graph, to look at: PHOTOS=../shared/photos
	$(RUN) scripts/sheet.py --photos "$(PHOTOS)"

bench-methods:  ## what each attention method does to the bundled model: PHOTOS=../shared/photos
	$(RUN) scripts/bench_methods.py --photos "$(PHOTOS)"

WEIGHTS ?=
bench-ghosts:  ## ghosts that are left at each denoise: PHOTOS=../shared/photos WEIGHTS=tuned.safetensors
	$(RUN) scripts/ghosts.py --photos "$(PHOTOS)" $(if $(WEIGHTS),--weights "$(WEIGHTS)")

# Many photos, on the workers of a Ray cluster; goes on where it stopped. ARGS="--people masks --set erase=all --workers 4"
GRAPH ?= workflows/api/erase.json
SOURCE ?=
RESULTS ?= out/batch
ARGS ?=
batch:  ## erase from many photos on Ray: SOURCE=folder RESULTS=out/batch GRAPH=workflows/api/erase.json ARGS="--people masks --set erase=all"
	$(RUN) -m mild_core.batch run "$(GRAPH)" "$(SOURCE)" --out "$(RESULTS)" $(ARGS)

bench-batch:  ## photos a minute, the engine's own cost, memory of a worker: PHOTOS=../shared/photos
	$(RUN) scripts/bench_batch.py --photos "$(PHOTOS)"

# Each recipe is a file; training goes on from the last checkpoint, and writes the result with a model card.
# First pairs of (photo with people, truth), from a folder with places/ and people/.
RECIPES = mild_core/training/recipes
train:  ## train the bundled model: PHOTOS=… RUNS=runs/mini COUNT=20000 MINUTES=600
	test -d "$(PAIRS)" || $(RUN) -m mild_core.training prepare --photos "$(PHOTOS)" --out "$(PAIRS)" --count $(COUNT)
	$(RUN) -m mild_core.training train $(RECIPES)/mini.toml files.pairs="$(PAIRS)" out="$(RUNS)" minutes=$(MINUTES) result.out="$(RUNS)/mini.safetensors"

# The adapter's pairs are hidden people with what is guessed of their bodies.
ADAPTER ?= runs/adapter
train-adapter:  ## train the bundled model's morphology adapter: PHOTOS=… ADAPTER=runs/adapter COUNT=1600 MINUTES=600
	test -d "$(ADAPTER)/pairs" || $(RUN) -m mild_core.training prepare-guided --photos "$(PHOTOS)" --out "$(ADAPTER)/pairs" --count $(COUNT) --size 192
	$(RUN) -m mild_core.training train $(RECIPES)/adapter.toml files.pairs="$(ADAPTER)/pairs" out="$(ADAPTER)" minutes=$(MINUTES) result.out="$(ADAPTER)/morphology.safetensors"

# MagicEraser's prompt tuning: removal pairs, training, and the two files that ComfyUI's loaders read.
PROMPT ?= runs/prompt
MODEL ?=
train-prompt:  ## tune a word and a LoRA of an SD1.5 inpainting model: MODEL=diffusers-folder PHOTOS=… PROMPT=runs/prompt COUNT=20000 MINUTES=600
	test -d "$(MODEL)/unet" || { echo "MODEL is '$(MODEL)', but it must be a diffusers folder of an SD1.5 inpainting model"; exit 2; }
	$(RUN) -m mild_core.data olrd --photos "$(PHOTOS)/people" --out "$(PROMPT)/pairs" --count $(COUNT) --jobs $(JOBS)
	$(RUN) -m mild_core.training train $(RECIPES)/magiceraser.toml files.model="$(MODEL)" files.pairs="$(PROMPT)/pairs" out="$(PROMPT)/run" minutes=$(MINUTES) result.out="$(PROMPT)/models"
