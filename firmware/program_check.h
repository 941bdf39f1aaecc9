// Checks of a program's commands, made once, when the program is loaded.
//
// What is checked is what can be known then: opcode and unit, reserved bits, launch-parameter
// selectors, operands and the ranges that they reach, in the scratchpad, the accumulators and the
// windows. A range that depends on a launch parameter is left to the unit, which checks it when it
// runs.
#ifndef SYSTOLE_PROGRAM_CHECK_H
#define SYSTOLE_PROGRAM_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "rtl/spec/gen/systole_spec.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Where a program will run: its tile, the mesh, and what the tile may reach.
struct program_place {
  uint8_t x, y;
  uint8_t cols, rows;
  uint32_t window_perm;
  const uint32_t* window_base;   // first granules
  const uint32_t* window_limit;  // last granules
};

/// Why a command was refused.
struct program_fault {
  uint8_t fault;  // enum systole_fault
  uint8_t unit;
  uint16_t pc;    // index of the command in its unit's program
  uint64_t info;  // the word at fault; a global address for faults of windows
};

/// The four programs of a tile, as their image passes by command by command.
struct program_scan {
  const uint32_t* program;  // scratchpad address of each unit's first command
  uint32_t next_start;      // no program starts below it that has not begun
  uint16_t pc[SYSTOLE_NUM_UNITS];
  uint8_t started;  // bit u: unit u's program has begun
  uint8_t ended;    // bit u: its End was seen
};

/// One command of `unit` at index `pc`, 32 words. False, and `*why`, when it is refused.
bool program_check_command(const uint32_t* words, uint32_t unit, uint32_t pc,
                           const struct program_place* place, struct program_fault* why);

/// The next `count` commands of an image, from scratchpad address `address` on, each for every unit
/// whose program holds it.
bool program_scan_commands(struct program_scan* scan, uint32_t address, const uint32_t* words,
                           uint32_t count, const struct program_place* place,
                           struct program_fault* why);

/// At the end of the image: every unit's program has begun and ended in it.
bool program_scan_end(const struct program_scan* scan, struct program_fault* why);

#ifdef __cplusplus
}
#endif
#endif
