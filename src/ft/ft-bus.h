// SPDX-License-Identifier: MIT
#pragma once

#include "ft/ft.h"

// Offers org.p2pshare.FileTracker1 on ft->bus. 0 or -errno.
int ft_bus_add(Ft *ft);
