// SPDX-License-Identifier: MIT
#pragma once

#include "ft/ft.h"

// Offers org.p2pshare.FileTracker1 on the bus of the system, or of the user. Where that cannot be done FT works
// without, and the log has why; a bus that is there and then restarts is joined again.
void ft_bus_offer(Ft *ft, bool user);
