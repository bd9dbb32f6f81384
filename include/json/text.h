/* Inside of JSON strings: unescaping step by step, shared by scanner, look-up and writer. Thread: any. */
#ifndef HEADGATE_JSON_TEXT_H
#define HEADGATE_JSON_TEXT_H

#include "base/slice.h"

/* What the next step through the inside of a string yields: a run of bytes without escapes (bytes set), or up to 4
 * bytes that an escape stands for (bytes.at is `unescaped`). */
struct text_step {
	struct slice bytes;
	char unescaped[4];
};

/* Takes the next step off `rest`, the bytes between the quotes of a scanned string; false at its end. A high and a
 * low surrogate are one step; a lone one becomes U+FFFD. */
bool text_next(struct slice *rest, struct text_step *step);
/* Unescapes `inner` to `to`, which has room for inner.len bytes; the bytes written. */
size_t text_unescape(struct slice inner, char *to);
/* `inner` unescaped equals `plain`. */
bool text_equals(struct slice inner, struct slice plain);

#endif
