// Functions of the Verilated code that this machine has an instruction for (included before the
// model's classes).
#pragma once

#include "verilated.h"

#define VL_COUNTONES_I(word) static_cast<IData>(__builtin_popcount(word))
