# SPDX-License-Identifier: MIT
"""The root of a file by the letter of BEP 52, and the hashes of its pieces."""

import hashlib

LEAF = 16384
PIECE_MIN = 1 << 20
PIECES_MAX = 65536


def sha256(data):
    return hashlib.sha256(data).digest()


def tree(hashes, width, padding):
    """The root over `hashes`, padded with `padding` to `width` of them."""
    layer = list(hashes) + [padding] * (width - len(hashes))
    while len(layer) > 1:
        layer = [sha256(layer[i] + layer[i + 1]) for i in range(0, len(layer), 2)]
    return layer[0]


def power_of_two(n):
    return 1 << max(n - 1, 0).bit_length()


def piece_bytes(size):
    piece = PIECE_MIN
    while size > piece * PIECES_MAX:
        piece *= 2
    return piece


def piece_layer(data):
    """The hashes of the pieces of `data`. The hash of a single piece is the root."""
    leaves = [sha256(data[i:i + LEAF]) for i in range(0, len(data), LEAF)] or [sha256(b"")]
    piece = piece_bytes(len(data))
    if len(data) <= piece:
        return [tree(leaves, power_of_two(len(leaves)), bytes(32))]
    per_piece = piece // LEAF
    return [tree(leaves[i:i + per_piece], per_piece, bytes(32)) for i in range(0, len(leaves), per_piece)]


def root_of(data):
    """The root as 64 hex digits."""
    layer = piece_layer(data)
    empty = tree([], piece_bytes(len(data)) // LEAF, bytes(32))
    return tree(layer, power_of_two(len(layer)), empty).hex()
