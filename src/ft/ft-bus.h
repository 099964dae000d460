// SPDX-License-Identifier: MIT
#pragma once

#include "ft/ft.h"

// Offers org.p2pshare.FileTracker1 on the system bus or, with `user`, on the user's bus. If that
// fails, FT logs why and runs without the bus. If the bus restarts later, FT joins it again.
void ft_bus_offer(Ft *ft, bool user);
