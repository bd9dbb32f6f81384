/* A document of headings, paragraphs, lists and tables, written as one HTML page or as Markdown. */
#ifndef HEADGATE_TRACKING_PAGE_H
#define HEADGATE_TRACKING_PAGE_H

#include "base/buffer.h"

enum page_format { PAGE_HTML, PAGE_MARKDOWN };

struct page_section {
	const char *id, *title;
};

struct page {
	struct buffer *out;
	enum page_format format;
	size_t cells; /* written of the row */
};

/* `sections`: what the page will hold, for its contents. */
void page_begin(struct page *page, const char *title, const struct page_section *sections, size_t count);
void page_end(struct page *page);

/* Headings. A section ends where the next begins, or the page. */
void page_put_section(struct page *page, const struct page_section *section);
void page_put_heading(struct page *page, struct slice id, struct slice title, struct slice beside);

void page_begin_paragraph(struct page *page);
void page_end_paragraph(struct page *page);
void page_begin_list(struct page *page);
void page_begin_item(struct page *page);
void page_end_item(struct page *page);
void page_end_list(struct page *page);
/* The first column names the row. */
void page_begin_table(struct page *page, struct slice caption, const char *const *columns, size_t count);
void page_begin_row(struct page *page);
void page_begin_cell(struct page *page);
void page_end_row(struct page *page);
void page_end_table(struct page *page);

/* A whole one, formatted as printf does. */
void page_put_paragraph(struct page *page, const char *format, ...) __attribute__((format(printf, 2, 3)));
void page_put_item(struct page *page, const char *format, ...) __attribute__((format(printf, 2, 3)));
void page_put_cell(struct page *page, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Within any of these. */
void page_put_text(struct page *page, struct slice text);
void page_put_code(struct page *page, struct slice text);
void page_put_tag(struct page *page, struct slice text);
/* What somebody should still state or look at. */
void page_put_gap(struct page *page, struct slice text);

#endif
