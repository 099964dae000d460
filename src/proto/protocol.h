// SPDX-License-Identifier: MIT
#pragma once

// The wire protocol in one header: every word, and every limit that both sides must know. Timeouts
// and limits of one side are constants of that side. The code in this folder reads and writes the
// protocol without doing I/O, so that all of it can be fuzzed.
//
// FT is the FileTracker. A is the peer that asks, B is the peer that has a file.
//
//   A → FT   HELLO
//   FT → A   HI
//   A → FT   <record> <record> …
//   A → FT   SEARCH: name
//   FT → A   FOUND: <record>, …                                or NOT FOUND
//   A → FT   REMOVE: name, type, size
//   FT → A   KEPT: n                                           rooted sessions only
//   A → FT   REACHABLE                                         rooted sessions only
//   FT → A   REACHABLE: yes, address, port
//   A → FT   FIND: limit, type, min, max, words
//   FT → A   MATCHES: total, exactly, peers <file> <file> …    or "at least" for "exactly"
//   A → FT   BYE
//
//   A → B    DOWNLOAD: name, type, size
//   B → A    FILE: and exactly `size` bytes, or B closes without a word
//   A → B    GET /file/ROOT/NAME or GET /pieces/ROOT           HTTP/1.1 (http.h)
//
// The state that FT keeps of its session with A:
//
//   connected ──HELLO──► greeted ──valid record──► accepted ──┐ SEARCH, FIND, REMOVE,
//       │                   │                          ▲      │ REACHABLE, records
//       │ other words       │ other words              └──────┘
//       ▼                   ▼
//    rejected: FT is silent, then closes             BYE: FT closes (once greeted)
//
// A record:  <name, type, size, DD/MM/YY, address, port>  or  <…, port, root>
//   name     the file's name without its extension; NAME_BYTES_MAX bytes, see name_is_valid()
//   type     the extension without its dot, lower case; TYPE_NONE if there is none
//   size     bytes, decimal
//   date     last modified, day first
//   address  IPv4 or IPv6 without brackets; FT publishes the address that it sees
//   root     what the file is (util/merkle.h), 64 hex digits; always the last field
// FOUND omits the name. Other programs order, bracket and separate the fields in their own way. FT
// answers each in its own syntax (record-syntax.h).
//
// REMOVE is our addition (doc/decisions/protocol.md explains it): the peer no longer shares that
// file. The session goes on.
//
// A session is *rooted* once one of its records has carried a root. Its FOUND then has the roots of
// records that have one. After records and REMOVEs, FT answers `KEPT: n`, where n is how many
// records of this session it holds. This tells the peer how many it may publish. One KEPT covers
// everything that arrived together. If it arrived in parts, the last KEPT counts. In RAW, where two
// answers would run together, FT omits KEPT if a question follows. Other sessions see neither roots
// nor KEPT.
//
// FT tries once to connect to the peer of a rooted session, at the address that it publishes.
// Search results list peers that it cannot reach last. After `REACHABLE`, FT waits for that attempt
// and answers `REACHABLE: yes`, `no` or `unknown` (it has not tried), with the published address
// and port. A minute after an attempt, REACHABLE makes FT try again. In LINE only.
//
// FIND is a search by words, in LINE only. FT does not answer it if its administrator has switched
// words off, and neither does an FT that does not know FIND. A peer that is not sure sends a SEARCH
// right behind it and sees which answer comes first.
//   limit    files in the answer, 1..FIND_RESULTS_MAX
//   type     of the files; empty: any
//   min, max bytes, both included; max empty: any
//   words    the rest of the line, FIND_TEXT_MAX bytes. A file matches if its name or type has all
//            of them, in any order and case. The last word may be the beginning of a longer one.
//            util/words.h says what a word is.
// MATCHES says how many files match and how many peers have them. It says `at least` if FT stopped
// early (FIND_WORK_MAX in ft/index-find.c). Then it lists as many files as fit ANSWER_BYTES_MAX:
// names that match exactly come first, then files with the most sources. Files with the same name
// but another size or root are separate files.
//   file     <name, type, size, DD/MM/YYYY, sources>  or  <…, sources, root>, with the latest date
//
// A record of a file of 64 bytes has no root: its bytes could be the two hashes below the root of a
// larger file. A record with a root means that B's port also speaks HTTP/1.1. The first bytes of a
// connection tell whether it is DOWNLOAD or an HTTP method. ROOT is 64 hex digits. NAME is only for
// people.
//   GET, HEAD /file/ROOT/NAME   the bytes; ETag = "ROOT"; Range, If-Range. 200, 206, 304, 404, 416
//   GET, HEAD /pieces/ROOT      the piece hashes, 32 bytes each, which A checks against ROOT
//   503 + Retry-After + Queue-Place: no slot is free; B keeps the place if A asks again in time
//
// The side that connects decides the framing with its first message (framing.h):
//   LINE     each message ends in \n (or \r\n). Our own programs speak LINE.
//   RAW      no terminator: a message is what arrives until a silence or a half-close.

#include <stdint.h>

#define WORD_HELLO     "HELLO"
#define WORD_HI        "HI"
#define WORD_SEARCH    "SEARCH:"
#define WORD_FOUND     "FOUND:"
#define WORD_NOT_FOUND "NOT FOUND"
#define WORD_REMOVE    "REMOVE:"
#define WORD_KEPT      "KEPT:"
#define WORD_REACHABLE "REACHABLE"
#define WORD_FIND      "FIND:"
#define WORD_MATCHES   "MATCHES:"
#define WORD_BYE       "BYE"
#define WORD_DOWNLOAD  "DOWNLOAD:"
#define WORD_FILE      "FILE:"

#define TYPE_NONE "file"

enum {
    FT_PORT_DEFAULT = 5555,
    PEER_PORT_DEFAULT = 5556,

    // "up to 5 files" in the seed text. FT keeps this many per peer unless its administrator
    // changes it, and a peer can rely on it.
    FILES_PER_PEER_DEFAULT = 5,
    // The most that an administrator may allow, and that a peer tells FT.
    FILES_PER_PEER_MAX = 10000,

    NAME_BYTES_MAX = 255, // NAME_MAX of every Linux file system
    TYPE_BYTES_MAX = 32,

    // Four times the length of a record with a root and a percent-encoded name.
    LINE_BYTES_MAX = 4096,
    // One RAW message may hold all records of a peer.
    RAW_BYTES_MAX = 16384,
    // Records in one FOUND. More sources are of no use.
    RESULTS_MAX = 64,
    // Room for a FOUND of RESULTS_MAX records in the most verbose syntax, with roots.
    ANSWER_BYTES_MAX = 65536,

    // What a user types. It may be longer than a name, as words may be in any part of one.
    FIND_TEXT_MAX = 512,
    FIND_RESULTS_MAX = 500,
    // No file begins behind this many bytes of a MATCHES, so the longest (a percent-encoded name of
    // 255 bytes) still fits.
    MATCHES_BYTES_FULL = ANSWER_BYTES_MAX - 1024,
};

// A size must fit off_t.
#define SIZE_BYTES_MAX ((uint64_t)INT64_MAX)

// Silences in µs that complete a message. A bare HELLO may be the start of "HELLO\n" in two
// segments, so FT waits longer for it than inside a RAW session, where each message costs one
// silence.
#define SILENCE_HELLO_USEC    UINT64_C(250000)
#define SILENCE_RAW_USEC      UINT64_C(80000)
#define SILENCE_DOWNLOAD_USEC UINT64_C(150000)
