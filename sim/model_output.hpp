// What the Verilated runtime prints goes to the library (included before everything of
// Verilator's): the message of a failed assertion, which names the instance, becomes part of the
// error.
#pragma once

int systole_model_printf(const char* format, ...) __attribute__((format(printf, 1, 2)));

#define VL_PRINTF systole_model_printf
