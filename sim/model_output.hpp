// What the Verilated runtime prints and writes goes through the library (included before everything
// of Verilator's): the message of a failed assertion, which names the instance, becomes part of the
// error; and of waves it is known when a disk took no more of them, which their writer ignores.
#pragma once

#include <cstdio>

int systole_model_printf(const char* format, ...) __attribute__((format(printf, 1, 2)));
std::size_t systole_model_fwrite(const void* data, std::size_t size, std::size_t count,
                                 std::FILE* file);
int systole_model_fclose(std::FILE* file);

/// The errno of the first write of this thread that failed since it was last asked; 0: none.
int take_failed_write();

#ifndef VL_PRINTF
#define VL_PRINTF systole_model_printf
#endif
#ifdef SYSTOLE_WAVE_WRITER
#define fwrite systole_model_fwrite
#define fclose systole_model_fclose
#endif
