// What a call of the hardware abstraction returns.
#ifndef SYSTOLE_HAL_STATUS_H
#define SYSTOLE_HAL_STATUS_H

enum hal_status {
  HAL_OK = 0,
  HAL_INVALID,    // an argument: nothing was done
  HAL_TIMEOUT,    // the bound of a wait has passed
  HAL_BUS_ERROR,  // an address answered with an error
};

#endif
