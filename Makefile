
# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Recipes are short; what is longer stands in .ci/.  All output goes to build/.

PORT = 8080
TIME = 60

.DEFAULT_GOAL = build

.PHONY:	help all build run test deps unit model check sanitize fuzz \
	faults valgrind coverage analyze matrix bench clean


help:	## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1 \2/p' Makefile \
	    | awk '{ t = $$2; $$1 = $$2 = ""; printf "make %-10s%s\n", t, $$0 }'

all:	build ## the same as build

build:	## the dynamic module for Debian's nginx: build/ngx_http_iot_module.so
	@.ci/build-dynamic
	@ln -sf dynamic/ngx_http_iot_module.so build/ngx_http_iot_module.so
	@echo "built build/ngx_http_iot_module.so"

run:	## the gateway with a private Redis in the foreground; PORT=8080
	@PORT='$(PORT)' GRPC_PORT='$(GRPC_PORT)' exec conf/run

test:	## every test, in both builds of nginx; installs what it needs
	@.ci/test

deps:	## install the Debian packages that building and testing need
	@.ci/deps test

unit:	## the tests of the pure part, under sanitizers; takes seconds
	@.ci/unit

model:	## claims and names on a cluster, in every order of events
	@t/model/check

check:	build ## style, source lists, symbols and floors, documents
	@.ci/style
	@.ci/symbols build/dynamic
	@prove -I t/lib t/docs.t

sanitize:	## a static nginx with the module, ASan, UBSan and no pools
	@.ci/build-sanitize

fuzz:	## fuzz each parser for TIME=60 seconds; TARGET="json x509" some
	@.ci/fuzz '$(TIME)' $(TARGET)

faults:	build ## 540 faults under load: COUNT, SEED, TIME at most; see t/faults/
	@COUNT='$(COUNT)' SEED='$(SEED)' TIME='$(TIME)' t/faults/run

faults:	TIME = 1800

valgrind:	## the server tests under valgrind; slow; T=t/file.t ... for some
	@.ci/valgrind $(T)

coverage: ## lines of src/ that tests reach: build/coverage/report.txt
	@.ci/coverage

analyze: ## clang-tidy, scan-build and cppcheck over src/
	@.ci/prove .ci/analyze

matrix:	## compile-only builds: compilers, trees, static and dynamic
	@.ci/matrix

bench:	build ## CPU per request against a floor and peers; see bench/
	@.ci/deps bench || echo 'bench: going on without what is missing'
	@bench/run

clean:	## remove what was built; build/run, the data of make run, stays
	@[ ! -d build ] || find build -mindepth 1 -maxdepth 1 ! -name run \
	    -exec rm -rf {} +
