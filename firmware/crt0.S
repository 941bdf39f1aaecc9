// Entry of the firmware: trap vectors, then the reset entry at the place that the core starts from.
#include "rtl/spec/gen/systole_spec.h"

#define FW_STATE (SYSTOLE_IO_REGS_BASE + SYSTOLE_IO_FW_STATE)
#define FW_PANIC (SYSTOLE_IO_REGS_BASE + SYSTOLE_IO_FW_PANIC)

  .section .vectors, "ax"
  .option push
  .option norvc
  .global vectors
vectors:
  .rept 32
  j trap
  .endr
  .option pop

  .section .reset, "ax"
  .global _start
_start:
  la sp, stack_top
  la t0, bss_start
  la t1, bss_end
1:
  bgeu t0, t1, 2f
  sw zero, 0(t0)
  addi t0, t0, 4
  j 1b
2:
  la t0, vectors
  csrw mtvec, t0
  // The external interrupt ends wfi; mstatus.MIE stays 0, so that it never traps.
  li t0, 1 << 11
  csrw mie, t0
  call main

  // The firmware takes no traps: one is told to the host, and the core sleeps for good.
trap:
  csrr a0, mcause
  csrr a1, mepc
  srli t0, a0, 31
  slli t0, t0, 31
  andi a0, a0, 0x7f
  slli a0, a0, 24
  or t0, t0, a0
  slli a1, a1, 8
  srli a1, a1, 8
  or t0, t0, a1
  .global panic
panic_word:
  li t1, FW_PANIC
  sw t0, 0(t1)
  li t1, FW_STATE
  li t0, 2  // SYSTOLE_FW_STATE_PANIC, an enumerator of C
  sw t0, 0(t1)
  csrw mie, zero
3:
  wfi
  j 3b

  // panic(reason): as a trap with cause 0x7f and the reason in place of the pc.
panic:
  li t0, 0x7f000000
  or t0, t0, a0
  j panic_word
