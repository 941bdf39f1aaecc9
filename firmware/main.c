// The firmware of the io node.
#include "firmware/command_loop.h"

static const struct io io_node = {SYSTOLE_IO_REGS_BASE};

int main(void) { command_loop(&io_node); }
