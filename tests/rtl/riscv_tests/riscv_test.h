// Environment of the riscv-tests on the control core: entry, and the verdict in FW_STATE (ready: passed, panic:
// failed, FW_PANIC then holds the number of the test case).
#ifndef SYSTOLE_RISCV_TEST_H
#define SYSTOLE_RISCV_TEST_H

#include "rtl/spec/gen/systole_spec.h"

#define TESTNUM gp
#define RVTEST_RV32U
#define RVTEST_RV64U

#define RVTEST_CODE_BEGIN        \
  .section .text.entry, "ax";    \
  .global _start;                \
_start:                          \
  la t0, unexpected_trap;        \
  csrw mtvec, t0;                \
  li TESTNUM, 0;                 \
  j test_begin;                  \
  .section .text.trap, "ax";     \
  .align 8;                      \
unexpected_trap:                 \
  li TESTNUM, 9999;              \
  j verdict_fail;                \
  .section .text.entry, "ax";    \
verdict_fail:                    \
  li t0, SYSTOLE_IO_REGS_BASE;   \
  sw TESTNUM, SYSTOLE_IO_FW_PANIC(t0); \
  li t1, 2;                      \
  j verdict;                     \
verdict_pass:                    \
  li t0, SYSTOLE_IO_REGS_BASE;   \
  li t1, 1;                      \
verdict:                         \
  sw t1, SYSTOLE_IO_FW_STATE(t0);\
1:                               \
  wfi;                           \
  j 1b;                          \
  .section .text.init, "ax";     \
test_begin:

#define RVTEST_CODE_END
#define RVTEST_PASS j verdict_pass
#define RVTEST_FAIL j verdict_fail

#define EXTRA_DATA
#define RVTEST_DATA_BEGIN
#define RVTEST_DATA_END

#endif
