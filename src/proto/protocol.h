// SPDX-License-Identifier: MIT
#pragma once

// The whole wire in one header: every word, limit and delay. The code that reads and writes it is
// in this folder; it does no I/O, so that all of it can be fuzzed.
//
// FT = FileTracker, A = the peer that asks, B = the peer that owns a file.
//
//   A → FT   HELLO                        B's side of a session with FT:
//   FT → A   HI
//   A → FT   <record> <record> …            connected ──HELLO──► greeted ──valid record──► accepted
//   A → FT   SEARCH: name                       │                  │                       │   ▲
//   FT → A   FOUND: <record>, …                 │ other words      │ SEARCH, BYE           └───┘
//            or NOT FOUND                       ▼                  ▼                 SEARCH, records,
//   A → FT   REMOVE: name, type, size         rejected: FT is silent, then closes      REMOVE
//   FT → A   KEPT: n (with roots only)
//   A → FT   REACHABLE                    (with roots only)
//   FT → A   REACHABLE: yes, address, port
//   A → FT   FIND: limit, type, min, max, words
//   FT → A   MATCHES: total, exactly, peers <file> <file> …   (or at least)
//   A → FT   BYE
//
//   A → B    DOWNLOAD: name, type, size
//   B → A    FILE: + exactly `size` bytes, or a close without a word
//   A → B    GET /file/ROOT/NAME          HTTP/1.1 (http.h), where records carry a root: told apart from a
//            GET /pieces/ROOT             DOWNLOAD by the first bytes of the connection
//
// A record:  <name, type, size, DD/MM/YY, address, port>  or  <…, port, root>
//   name     the file's name without its extension; NAME_BYTES_MAX bytes, see name_is_valid()
//   type     the extension without its dot, lower case; TYPE_NONE where there is none
//   size     bytes, decimal
//   date     last modified, day first
//   address  IPv4 or IPv6, written plainly; FT publishes the one that it sees
//   root     what the file is (util/merkle.h), 64 hex digits; always the last field, if it is there
// In FOUND the name is left out. Programs of others order, bracket and separate the fields in their
// own way: record-syntax.h says how FT answers each in its own.
//
// REMOVE is our addition (src/ARCHITECTURE.md says why): the peer no longer shares that file. FT keeps
// the session.
//
// A session any of whose records has carried a root is *rooted*: its FOUND carries the roots of those
// records that have one, and FT answers `KEPT: n` whenever it has gone through the records and REMOVEs that
// had arrived together; n = the records of this session that it holds now. So the peer learns how many it
// may publish. What arrives in several pieces may be answered in several: the last KEPT counts. In RAW,
// where two answers would run together, a KEPT is left out if another question was there already. Nobody
// else ever sees a root or KEPT.
//
// FT tries once to connect to the peer of a rooted session, where it publishes it, and lists the records of those that it
// cannot reach behind all others. Who asks with `REACHABLE` is told when that is over: `REACHABLE: yes`, `no` or
// `unknown` (it was not tried), and the address and port that FT publishes. Asked again a minute or more later, FT
// tries again. In LINE only.
//
// FIND is a search by words, for those who know it: in LINE only, and FT answers nothing where its administrator has it
// off. An FT that does not know it does not answer either, so that who is not sure sends a SEARCH right behind it and
// sees whose answer comes first.
//   limit    files in the answer, 1..FIND_RESULTS_MAX
//   type     of the files; empty: any
//   min, max bytes, both included; max empty: any
//   words    the rest of the line, FIND_TEXT_MAX bytes. A file is found if its name or type has all of them, in any
//            order, without regard to case; of the last one the beginning is enough (util/words.h says what a word is)
// MATCHES says how many files were found (`at least`, where FT has stopped looking: FIND_WORK_MAX in ft/index-find.c) and
// how many peers have them, and then lists files, what is called exactly so first, then what has most sources; no more
// than fit ANSWER_BYTES_MAX. Files of one name that differ in size or root are several.
//   file     <name, type, size, DD/MM/YYYY, sources>  or  <…, sources, root>; the date is the latest one
//
// A file of 64 bytes has no root in its record: they could be the two hashes below the root of a larger file.
// A record with a root says that B's port also speaks HTTP/1.1; the first bytes of a connection decide
// (DOWNLOAD or an HTTP method). ROOT is 64 hex digits; NAME is for people, only ROOT counts.
//   GET, HEAD /file/ROOT/NAME   the bytes; ETag = "ROOT"; Range, If-Range. 200, 206, 304, 404, 416
//   GET, HEAD /pieces/ROOT      the piece hashes, 32 bytes each, which can be checked against ROOT
//   503 + Retry-After + Queue-Place: no slot is free; the place is kept for who comes back in time
//
// Framing is decided by the side that connects, with its first message (framing.h):
//   LINE     each message ends in \n (or \r\n). Our own programs speak LINE.
//   RAW      no terminator: a message is what arrives until some silence or a half-close.

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

    // "up to 5 files": what FT keeps of a peer where its administrator says nothing else, and what
    // a peer can count on.
    FILES_PER_PEER_DEFAULT = 5,
    // The most that an administrator may allow, and what a peer tells FT at most.
    FILES_PER_PEER_MAX = 10000,

    NAME_BYTES_MAX = 255, // NAME_MAX of every Linux file system
    TYPE_BYTES_MAX = 32,

    // A record with every character of its name percent-encoded, and a root, fits four times.
    LINE_BYTES_MAX = 4096,
    // A RAW message may hold all records of a peer at once.
    RAW_BYTES_MAX = 16384,
    // Records in one FOUND. More sources than that help nobody.
    RESULTS_MAX = 64,
    // A FOUND of RESULTS_MAX records in the most verbose syntax, with roots.
    ANSWER_BYTES_MAX = 65536,

    // What somebody types: longer than a name, for the words may be those of any part of it.
    FIND_TEXT_MAX = 512,
    FIND_RESULTS_MAX = 500,
    // No file begins in a MATCHES behind these: the longest (a name of 255 bytes, percent-encoded) still fits.
    MATCHES_BYTES_FULL = ANSWER_BYTES_MAX - 1024,
};

// A size must fit off_t.
#define SIZE_BYTES_MAX ((uint64_t) INT64_MAX)

// Silences, in µs. A bare HELLO may be the beginning of "HELLO\n" in two segments: wait a little
// longer there than inside a RAW session, where each message costs one silence.
#define SILENCE_HELLO_USEC    UINT64_C(250000)
#define SILENCE_RAW_USEC      UINT64_C(80000)
#define SILENCE_DOWNLOAD_USEC UINT64_C(150000)
