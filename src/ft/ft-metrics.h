// SPDX-License-Identifier: MIT
#pragma once

#include "ft/ft.h"

// Writes the metrics that p2p-ft(8) lists, as OpenMetrics text. Caller frees. 0 or -ENOMEM.
int ft_metrics(const Ft *ft, char **ret);
