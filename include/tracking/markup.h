/* Text that is anybody's, written so that it stays text. */
#ifndef HEADGATE_TRACKING_MARKUP_H
#define HEADGATE_TRACKING_MARKUP_H

#include "base/buffer.h"

void markup_put_html(struct buffer *out, struct slice text);
/* Within a paragraph or a table's cell. */
void markup_put_markdown(struct buffer *out, struct slice text);
/* In backticks. */
void markup_put_markdown_code(struct buffer *out, struct slice text);

#endif
