// The firmware of the io node.
#include "firmware/command_loop.h"

int main(void) { command_loop(); }
