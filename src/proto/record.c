// SPDX-License-Identifier: MIT

#include "proto/record.h"

#include <string.h>
#include <strings.h>

#include "proto/name.h"
#include "proto/space.h"
#include "util/macro.h"
#include "util/parse-util.h"

const RecordSyntax record_syntax_own = {
    .order = {FIELD_TYPE, FIELD_SIZE, FIELD_DATE, FIELD_ADDRESS, FIELD_PORT},
    .spaced = true,
    .brackets = true,
    .list_separator = ", ",
};

const RecordSyntax record_syntax_rooted = {
    .order = {FIELD_TYPE, FIELD_SIZE, FIELD_DATE, FIELD_ADDRESS, FIELD_PORT},
    .spaced = true,
    .brackets = true,
    .list_separator = ", ",
    .rooted = true,
};

const RecordSyntax record_syntax_authors = {
    .order = {FIELD_ADDRESS, FIELD_PORT, FIELD_TYPE, FIELD_DATE, FIELD_SIZE},
    .named = true,
    .dotted = true,
    .long_year = true,
    .brackets = true,
    .one_pair = true,
    .list_separator = ";",
};

// A view of a part of the message.
typedef struct Token {
    const char *data;
    size_t len;
} Token;

static Token token_trim(const char *begin, const char *end) {
    while (begin < end && is_space(*begin))
        begin++;
    while (end > begin && is_space(end[-1]))
        end--;
    return (Token){.data = begin, .len = end - begin};
}

// Cuts the last field off [begin, *end). *end moves to the comma before it. *ret_first: there was
// none.
static Token token_take_last(const char *begin, const char **end, bool *ret_first) {
    const char *comma = memrchr(begin, ',', *end - begin);
    Token token = token_trim(comma ? comma + 1 : begin, *end);

    *ret_first = !comma;
    *end = comma ?: begin;
    return token;
}

// Parses a number that may have a unit: "3000", "3000 bytes". False: it is something else.
static bool record_number_shape(Token token, uint64_t *ret, bool *ret_possible) {
    size_t digits = 0;
    Token unit;
    int r;

    while (digits < token.len && token.data[digits] >= '0' && token.data[digits] <= '9')
        digits++;
    if (digits == 0)
        return false;
    unit = token_trim(token.data + digits, token.data + token.len);
    if (unit.len > 0 && !(unit.len == 5 && strncasecmp(unit.data, "bytes", 5) == 0) &&
        !(unit.len == 4 && strncasecmp(unit.data, "byte", 4) == 0))
        return false;
    r = parse_u64_n(token.data, digits, ret);
    *ret_possible = r >= 0 && *ret <= SIZE_BYTES_MAX;
    return true;
}

// The fields of a record read so far, from the last one on.
typedef struct Fields {
    unsigned wanted; // a bit per RecordField that this kind of record has
    unsigned seen;   // a bit per field found so far
    uint8_t order_reversed[_FIELD_COUNT];
    unsigned count;
    uint64_t size;
    uint64_t port;
    Date date;
    IpAddress address;
    Token type;
    Token name; // len == 0: none
    MerkleHash root;
    bool has_root;
    bool dotted, empty_type, long_year, dashed, spaced;
} Fields;

enum FieldResult {
    FIELD_TAKEN,
    FIELD_IS_NAME, // this field and all before it are the name
};

enum {
    FIELDS_OF_RECORD = (1u << _FIELD_COUNT) - 1,
    // The fields behind the name in DOWNLOAD and REMOVE.
    FIELDS_OF_FILE = 1u << FIELD_TYPE | 1u << FIELD_SIZE,
};

static bool field_seen(const Fields *f, RecordField field) {
    return f->seen & (1u << field);
}

// Whether this field may occur here. A second field of the same shape is something else: "bash.1"
// has the type "1", and a name may end in ", 7".
static bool field_wanted(const Fields *f, RecordField field) {
    return (f->wanted & (1u << field)) && !field_seen(f, field);
}

// The last field may be the root. Only a root can have 64 hex digits there, as types, sizes and
// ports are shorter. Elsewhere they belong to a name.
static bool record_root_take(Fields *f, Token token) {
    if (f->count > 0 || f->has_root || f->wanted != FIELDS_OF_RECORD)
        return false;
    f->has_root = merkle_hash_parse(token.data, token.len, &f->root) >= 0;
    return f->has_root;
}

static int field_take(Fields *f, RecordField field) {
    f->seen |= 1u << field;
    f->order_reversed[f->count++] = field;
    return FIELD_TAKEN;
}

// Decides by its shape what a field is. `after_address`: the field before it is an address, so a
// number is the port. Returns a FieldResult or -EBADMSG.
static int field_read(Fields *f, Token token, bool after_address) {
    bool possible, dotted;
    uint64_t number;
    RecordField field = after_address ? FIELD_PORT : FIELD_SIZE;

    if (field_wanted(f, field) && record_number_shape(token, &number, &possible)) {
        if (!possible || (field == FIELD_PORT && (number < 1 || number > UINT16_MAX)))
            return -EBADMSG;
        *(field == FIELD_PORT ? &f->port : &f->size) = number;
        return field_take(f, field);
    }
    if (field_wanted(f, FIELD_DATE) && date_has_shape(token.data, token.len)) {
        if (date_parse(token.data, token.len, &f->date, &f->long_year, &f->dashed) < 0)
            return -EBADMSG;
        return field_take(f, FIELD_DATE);
    }
    if (field_wanted(f, FIELD_ADDRESS) && address_parse(token.data, token.len, &f->address) >= 0)
        return field_take(f, FIELD_ADDRESS);

    if (!field_wanted(f, FIELD_TYPE))
        return FIELD_IS_NAME;
    if (token.len == 0) {
        // A writer that splits extensions off with their dot has "" for none, so its types begin
        // with a dot.
        f->type = (Token){.data = TYPE_NONE, .len = strlen(TYPE_NONE)};
        f->empty_type = f->dotted = true;
        return field_take(f, FIELD_TYPE);
    }
    dotted = token.len > 1 && token.data[0] == '.';
    if (!type_is_valid(token.data + dotted, token.len - dotted))
        return FIELD_IS_NAME;
    f->type = (Token){.data = token.data + dotted, .len = token.len - dotted};
    f->dotted = dotted;
    return field_take(f, FIELD_TYPE);
}

static bool record_ends_with_address(const char *begin, const char *end, bool nameless) {
    IpAddress ignored;
    bool first;
    Token token = token_take_last(begin, &end, &first);

    return (nameless || !first) && address_parse(token.data, token.len, &ignored) >= 0;
}

// `nameless`: the record may have no name, so its first field may be any field.
static int fields_read(const char *data, size_t len, unsigned wanted, bool nameless, Fields *ret) {
    Fields f = {.wanted = wanted};
    bool first = false;
    const char *end;

    if (len == 0)
        return -EBADMSG;
    end = data + len;
    while (!first) {
        const char *field_end = end;
        Token token = token_take_last(data, &end, &first);
        int r = FIELD_IS_NAME;

        if (token.len == 0 && f.count == 0 && !f.has_root && !first)
            continue; // a comma behind the last field
        if (!first && record_root_take(&f, token))
            r = FIELD_TAKEN;
        else if (!first || nameless)
            r = field_read(&f, token,
                           field_wanted(&f, FIELD_ADDRESS) && !first &&
                               record_ends_with_address(data, end, nameless));
        if (r < 0)
            return r;
        if (r == FIELD_IS_NAME) {
            f.name = token_trim(data, field_end);
            break;
        }
        if (!first && token.data > end + 1)
            f.spaced = true;
    }
    *ret = f;
    return 0;
}

static int record_text_copy(const char *text, char *out, size_t size) {
    size_t len = strlen(text);

    if (len >= size)
        return -ENAMETOOLONG;
    memcpy(out, text, len + 1);
    return (int)len;
}

// Validates the result of fields_read() and normalizes it: the name without its extension, the type
// without its dot.
static int fields_to_record(const Fields *f, const char *default_name, RecordText *text,
                            Record *ret, bool *ret_full_name) {
    Token type = f->type;
    size_t stem = 0;
    int n;

    if (f->name.len > 0)
        n = name_decode(f->name.data, f->name.len, text->name, sizeof(text->name));
    else
        n = record_text_copy(default_name, text->name, sizeof(text->name));
    if (n < 0 || !name_is_valid(text->name, n))
        return -EBADMSG;

    if (!field_seen(f, FIELD_TYPE)) {
        NameParts parts = name_split(text->name, n);

        type = (Token){.data = parts.type, .len = parts.type_len};
    }
    memcpy(text->type, type.data, type.len);
    text->type[type.len] = '\0';

    // record_format_name() encodes a dot that belongs to the name, so check the text as written.
    if (f->name.len == 0 || !field_seen(f, FIELD_TYPE) ||
        name_stem_len(f->name.data, f->name.len, text->type) > 0)
        stem = name_stem_len(text->name, n, text->type);
    if (stem > 0 && !name_is_valid(text->name, stem))
        stem = 0; // "..txt"
    *ret_full_name = stem > 0;
    if (stem > 0)
        text->name[stem] = '\0';

    *ret = (Record){
        .name = text->name,
        .type = text->type,
        .size = f->size,
        .modified = f->date,
        .endpoint = {.address = f->address, .port = (uint16_t)f->port},
        .has_root = f->has_root && f->size != SIZE_WITHOUT_ROOT,
    };
    if (ret->has_root)
        ret->root = f->root;
    return 0;
}

static bool fields_complete(const Fields *f) {
    return field_seen(f, FIELD_SIZE) && field_seen(f, FIELD_DATE) && field_seen(f, FIELD_ADDRESS) &&
           field_seen(f, FIELD_PORT);
}

// FOUND omits the name in the order of the seed text. A writer of another order gets its records as
// it registered them.
static RecordSyntax fields_syntax(const Fields *f, bool full_name) {
    RecordSyntax syntax = {
        .full_name = full_name,
        .spaced = f->spaced,
        .dotted = f->dotted,
        // At the end of a record without a root, an empty field would look like a stray comma.
        .empty_type = f->empty_type && f->order_reversed[0] != FIELD_TYPE,
        .long_year = f->long_year,
        .dashed = f->dashed,
        .rooted = f->has_root,
    };
    unsigned n = 0;

    for (unsigned i = f->count; i > 0; i--)
        syntax.order[n++] = f->order_reversed[i - 1];
    // A writer without types gets them all the same, because a record without one says too little.
    // As the last field, with its dot, a type cannot be mistaken for another field.
    if (!field_seen(f, FIELD_TYPE)) {
        syntax.order[n++] = FIELD_TYPE;
        syntax.dotted = true;
    }
    syntax.named = memcmp(syntax.order, record_syntax_own.order, sizeof(syntax.order)) != 0;
    return syntax;
}

int record_parse(const char *data, size_t len, RecordText *text, Record *ret,
                 RecordSyntax *ret_syntax) {
    bool full_name;
    Fields f;
    int r;

    r = fields_read(data, len, FIELDS_OF_RECORD, false, &f);
    if (r < 0)
        return r;
    if (!fields_complete(&f) || f.name.len == 0)
        return -EBADMSG;
    r = fields_to_record(&f, "", text, ret, &full_name);
    if (r < 0)
        return r;
    if (ret_syntax)
        *ret_syntax = fields_syntax(&f, full_name);
    return 0;
}

int record_parse_found(const char *data, size_t len, const char *searched, RecordText *text,
                       Record *ret) {
    bool full_name;
    Fields f;
    int r;

    r = fields_read(data, len, FIELDS_OF_RECORD, true, &f);
    if (r < 0)
        return r;
    if (!fields_complete(&f))
        return -EBADMSG;
    return fields_to_record(&f, searched, text, ret, &full_name);
}

int record_parse_file(const char *data, size_t len, RecordText *text, Record *ret) {
    bool full_name;
    Token token;
    Fields f;
    int r;

    if (len == 0)
        return -EBADMSG;
    token = token_trim(data, data + len);
    if (token.len >= 2 && token.data[0] == '<' && token.data[token.len - 1] == '>')
        token = token_trim(token.data + 1, token.data + token.len - 1);
    r = fields_read(token.data, token.len, FIELDS_OF_FILE, false, &f);
    if (r < 0)
        return r;
    if (!field_seen(&f, FIELD_SIZE) || f.name.len == 0)
        return -EBADMSG;
    return fields_to_record(&f, "", text, ret, &full_name);
}

bool record_same_file(const Record *a, const Record *b) {
    return a->size == b->size && strcmp(a->name, b->name) == 0 && strcasecmp(a->type, b->type) == 0;
}
