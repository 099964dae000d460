// SPDX-License-Identifier: MIT
#pragma once

// What every fuzz target shares.

#include <stddef.h>
#include <stdint.h>

#include "check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
