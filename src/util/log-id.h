// SPDX-License-Identifier: MIT
#pragma once

// Events that an administrator may want alerts for. Each is a MESSAGE_ID= of the journal and never
// changes its meaning. systemd/p2pshare.catalog explains each to `journalctl -x`; p2p-peer(8) and
// p2p-ft(8) list them.

// p2p-peer and FT
#define EVENT_JOINED      "4f9694e033d64f489f0234174d0bb7a3"
#define EVENT_NOT_JOINED  "595bbfdf205043509c10f5eb8dd4b8c4" // logged once, not per attempt
#define EVENT_LOST        "181848432069472fbe7db8c839a847e4" // a joined session has ended
#define EVENT_UNREACHABLE "2655b48cf45a435daa14cb0bd25b3104" // FT cannot connect to this peer

// Downloads
#define EVENT_DOWNLOADED      "f2258c306f944a1ca17a93c4425f6da8"
#define EVENT_DOWNLOAD_FAILED "bfd6386675fa4ae2a994c7a0fe3bceea"
#define EVENT_DOWNLOAD_PAUSED "369125066a8744089cf0afd4053e1df3" // automatically: the disk is full
#define EVENT_WRONG_DATA      "65d889fd6cab4162a6d67adb3c403451" // from a source

// Shares
#define EVENT_NOT_SHARED  "41268f71c7f545b6a51f49ed0dadff1c" // files that cannot be read
#define EVENT_NOT_WATCHED "ac6af245394b4c5791862154f30cce68" // changes are seen late

// Strangers
#define EVENT_REFUSED       "909ad82a785f4ef4a44e4302531b82d5" // one request, record or connection
#define EVENT_FULL          "bed5e9444f104722bc4ebe50ba4152c5" // FT has max-peers sessions
#define EVENT_CANNOT_ACCEPT "ba80e65181f247d490659352ef279dca" // out of file descriptors or memory

// This machine
#define EVENT_CONFIG_WRONG     "8e1640ad1b28451d95dbbf77b706139a"
#define EVENT_CANNOT_LISTEN    "6566d552a8cc4bf1b02c5af9e6d8befc"
#define EVENT_NO_BUS           "89712de404cc4c56b300833b67a687fc"
#define EVENT_DATABASE_DAMAGED "7081b54214f34937b999da5e122f7415" // replaced by a new one
#define EVENT_STUCK            "eeeb62f470004ae79196207b56598428" // a thread does not answer
#define EVENT_NO_STATE         "3b757e83f99c419a9fc5ac7b25106f9c" // nothing survives a restart
