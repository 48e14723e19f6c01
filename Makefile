# make run: everything, from an empty machine to the report. make test, make test-long: what CI runs.
# make explain: what would run, why, and how long it took before. make resume: goes on where a run was killed.
# ARGS: what Snakemake is given besides, such as ARGS="--configfile workflow/presets/photos.yaml".
PYTHON ?= $(shell command -v python3.11 || command -v python3)
CORES ?= all
PYTEST ?= -m 'not long and not overnight and not hpc'
# Both environments are one folder; the stamp of the larger satisfies the smaller.
BIN := .venv/bin

.PHONY: run explain resume install test test-long test-hpc lint bench audit clean lock containers

# What the page for browsers takes is fetched beforehand: a run without it leaves that page out and says so.
run: .venv/run.stamp
	$(BIN)/python src page --fetch || true
	PATH="$(CURDIR)/$(BIN):$$PATH" snakemake --cores $(CORES) $(ARGS)

explain: .venv/run.stamp
	PATH="$(CURDIR)/$(BIN):$$PATH" python src/explain.py $(ARGS)

resume: .venv/run.stamp
	PATH="$(CURDIR)/$(BIN):$$PATH" python src/resume.py --cores $(CORES) $(ARGS)

install: .venv/run.stamp

test: .venv/test.stamp
	PATH="$(CURDIR)/$(BIN):$$PATH" $(MAKE) --no-print-directory lint
	PATH="$(CURDIR)/$(BIN):$$PATH" OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE KMP_BLOCKTIME=0 pytest -rs -n 2 --dist loadgroup $(PYTEST)

# Kills, full disks and the paper's size: minutes each.
test-long:
	$(MAKE) --no-print-directory test PYTEST="-m long"

# A real SLURM and a real Apptainer; where these are missing, the tests are skipped and say how to get them, in `make test`
# too. A file of tests each for two processes: those of SLURM wait more than they compute.
test-hpc: .venv/test.stamp
	PATH="$(CURDIR)/$(BIN):$$PATH" OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE KMP_BLOCKTIME=0 pytest -rs --durations=0 --durations-min=1 -n 2 --dist loadfile tests/hpc

lint: .venv/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint

bench: .venv/test.stamp
	for bench in tests/bench/*.py; do $(BIN)/python $$bench || exit 1; done

# Apptainer images of the environments, those that are missing; BASE=debian where no image registry can be reached.
containers:
	containers/build.sh

clean:
	rm -rf results/*/ .snakemake .venv

.venv/%.stamp: envs/%.lock
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --require-hashes -r $<
	touch $@

# What is known to be unsafe in the code, and of the packages in the locks (needs uv, and PyPI's advisories).
audit:
	uvx bandit==1.9.4 -q -c pyproject.toml -r src
	for lock in envs/*.lock; do echo $$lock && uvx pip-audit==2.10.1 --strict --disable-pip -r $$lock || exit 1; done

# Pins everything anew from envs/*.in (needs uv).
lock:
	uv pip compile --python-version 3.11 --universal --generate-hashes --no-header --no-annotate -q envs/test.in -o envs/test.lock
	for name in data model report run; do uv pip compile --python-version 3.11 --universal --generate-hashes --no-header --no-annotate -q envs/$$name.in -c envs/test.lock -o envs/$$name.lock; done
	for name in data model report; do sed -i "s/^name: .*/name: styledistill-$$name-$$(sha256sum envs/$$name.lock | cut -c1-12)/" envs/$$name.yaml; done
