# Systole's build. Bare `make` prints the verbs; parts add theirs in */*.mk and rtl/*/*.mk.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash
MAKEFLAGS += --no-builtin-rules

# What a run is told: make sim MODEL=model.onnx CONFIG=small TRACE=1 SEED=7
CONFIG ?= small

# All outputs go here.
BUILD := build

# ---- tools -------------------------------------------------------------------------------------
# Same environment, every build: no locale, compiler cache on.
CCACHE := $(shell command -v ccache)
export CCACHE_SLOPPINESS ?= pch_defines,time_macros,include_file_mtime,include_file_ctime
CXX := clang++
CC := clang
OPT := -O3 -march=native
# Never fast-math, never contraction: the host's float arithmetic is the golden model's.
FP_FLAGS := -ffp-contract=off
WARN_FLAGS := -Wall -Wextra -Werror
CPPFLAGS := -I.
CXXFLAGS := -std=c++17 $(OPT) $(FP_FLAGS) $(WARN_FLAGS)
CFLAGS := -std=c11 $(OPT) $(FP_FLAGS) $(WARN_FLAGS)
VENV := .venv
PYTHON := $(VENV)/bin/python
# Short lines for build steps, or with V=1 whole commands: $(call say,CXX,$@).
Q := $(if $(V),,@)
say = @$(if $(V),:,printf '  %-9s %s\n' $(1) $(2))
JOBS ?= $(shell nproc)

# The host library: everything under host/ but host/app/ (host/host.mk).
HOST_LIB := $(BUILD)/host/libsystole_host.a

ifneq ($(filter setup,$(MAKECMDGOALS)),)
# ---- setup first, then the other goals in a make that sees what it installed ---------------------
GOALS_AFTER_SETUP := $(filter-out setup,$(MAKECMDGOALS))
.PHONY: setup $(GOALS_AFTER_SETUP)
.NOTPARALLEL:

setup:
	@tools/setup.sh

$(GOALS_AFTER_SETUP): setup
	@$(MAKE) --no-print-directory $@

else
# ---- everything else -----------------------------------------------------------------------------
.PHONY: help setup clean

help: ## Print this help
	@echo "usage: make <verb> [MODEL=model.onnx] [CONFIG=small] [TRACE=1] [SEED=n]"
	@cat $(MAKEFILE_LIST) | sed -nE 's/^(#: )?([a-z][a-zA-Z0-9_<>-]*):.*## (.*)/  \2\t\3/p' \
	  | expand -t 22

setup: ## Install packages and the Python environment (root, or a user with sudo)

clean: ## Remove build/
	rm -rf $(BUILD)

# IBEX_DIR, the folder of the control core's RTL, written by setup.
-include $(VENV)/ibex.mk

# Objects of C and C++ sources outside the Verilated models, by the path of the source.
OBJ := $(BUILD)/obj
$(OBJ)/%.o: %.cpp
	$(call say,CXX,$<)
	@mkdir -p $(@D)
	$(Q)$(CCACHE) $(CXX) $(CPPFLAGS) $(CXXFLAGS) $(CXXFLAGS_$(firstword $(subst /, ,$*))) \
	  -MMD -MP -c $< -o $@

$(OBJ)/%.o: %.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CCACHE) $(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

include $(sort $(wildcard */*.mk) $(wildcard rtl/*/*.mk))
endif
