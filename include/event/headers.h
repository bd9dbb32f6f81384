/* Record headers as bytes: a sequence of {u8 name length, name, u16 little-endian value length, value}. */
#ifndef HEADGATE_EVENT_HEADERS_H
#define HEADGATE_EVENT_HEADERS_H

#include "base/buffer.h"
#include "base/slice.h"

/* Names of at most 255 bytes, values of at most 65,535; a longer value is cut. */
void event_headers_put(struct buffer *out, struct slice name, struct slice value);
/* Takes the first header off `rest`; false at the end or on damaged bytes. */
bool event_headers_next(struct slice *rest, struct slice *name, struct slice *value);

#endif
