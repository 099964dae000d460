// SPDX-License-Identifier: MIT
#pragma once

// One message, as framing.h has cut it out: its kind and its argument. Writers append to a Buffer.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/framing.h"
#include "proto/protocol.h"
#include "proto/record.h"
#include "util/buffer.h"

typedef enum MessageKind {
    MESSAGE_EMPTY,
    MESSAGE_HELLO,
    MESSAGE_HI,
    MESSAGE_SEARCH, // argument: the name as written, see message_search_name()
    MESSAGE_FOUND,  // argument: the list of records
    MESSAGE_NOT_FOUND,
    MESSAGE_REMOVE,       // argument: name, type, size
    MESSAGE_DOWNLOAD,     // argument: name, type, size
    MESSAGE_KEPT,         // argument: a number, see message_kept()
    MESSAGE_REACHABLE,    // the question
    MESSAGE_REACHABLE_IS, // the answer; argument: see message_reachable()
    MESSAGE_FIND,         // a search by words and its answer; arguments: see find.h
    MESSAGE_MATCHES,
    MESSAGE_BYE,
    MESSAGE_RECORDS, // anything else; argument: all of it
} MessageKind;

// Whether FT could connect to a peer.
typedef enum Reachability {
    REACHABLE_UNKNOWN, // FT has not tried, or lacked the means
    REACHABLE_YES,
    REACHABLE_NO,
    _REACHABILITY_COUNT,
} Reachability;

// "unknown", "yes" or "no", in messages and on D-Bus.
const char *reachability_name(Reachability reachability);

typedef struct Message {
    MessageKind kind;
    const char *argument; // a view without outer spaces
    size_t argument_len;
} Message;

Message message_parse(const char *data, size_t len);

// The file name of a SEARCH, decoded and valid. 0 or -EBADMSG.
int message_search_name(const Message *message, char name[static NAME_BYTES_MAX + 1]);

// How many records FT holds. 0 or -EBADMSG.
int message_kept(const Message *message, uint64_t *ret);

// Whether and where FT can reach this peer. 0 or -EBADMSG.
int message_reachable(const Message *message, Reachability *ret, Endpoint *ret_endpoint);

// Writers. `framing` decides whether a newline ends the message. 0 or -ENOMEM.
int message_put_word(Buffer *out, Framing framing, const char *word);
int message_put_search(Buffer *out, Framing framing, const char *name);
int message_put_reachable(Buffer *out, Framing framing, Reachability reachability,
                          const Endpoint *endpoint);
int message_put_kept(Buffer *out, Framing framing, uint64_t n);
// Writes `word` ("DOWNLOAD:" or "REMOVE:") and the file.
int message_put_file(Buffer *out, Framing framing, const char *word, const Record *record,
                     const RecordSyntax *syntax);
// Writes FOUND with `n` >= 1 records, or NOT FOUND.
int message_put_found(Buffer *out, Framing framing, const RecordSyntax *syntax,
                      const Record *records, size_t n);
// Writes the records of a peer that joins: one per line in LINE, one message joined with ';' in
// RAW.
int message_put_records(Buffer *out, Framing framing, const RecordSyntax *syntax,
                        const Record *records, size_t n);

// The header of B's answer: "FILE: ", then exactly `size` bytes follow. Programs disagree about the
// white space behind the colon, and a file may begin with white space. Only the number of bytes
// shows what belongs to the header, so this holds all lengths that it may have. White space right
// behind the colon always counts as header: an answer that lacks its last byte is more common than
// a "FILE:" before a file that begins with a space, and must not pass for a whole one.
typedef struct FileHeader {
    size_t longest;      // bytes of the longest header that fits the input
    unsigned allowed;    // bit n: the header may have strlen("FILE:") + n bytes, n = 0..2
    char white_space[2]; // behind the colon, of the longest header
} FileHeader;

typedef enum FileHeaderResult {
    FILE_HEADER_OK,
    FILE_HEADER_MORE,    // up to FILE_HEADER_BYTES_MAX bytes are needed
    FILE_HEADER_REFUSED, // anything except FILE
} FileHeaderResult;

enum {
    FILE_HEADER_BYTES_MAX = 7, // "FILE: \n"
};

// `last`: no more bytes will come soon (silence, end of stream).
FileHeaderResult file_header_parse(const char *data, size_t len, bool last, FileHeader *ret);

// Whether `received` bytes, with the header, can be the whole answer for a file of `size` bytes. If
// so, *ret_header_len is the length of the header.
bool file_header_fits(const FileHeader *header, uint64_t received, uint64_t size,
                      size_t *ret_header_len);
