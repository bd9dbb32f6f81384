/* The HTML is one file that loads nothing, in the style of the catalog's page. */
#include "tracking/page.h"

#include <stdarg.h>

#include "tracking/docs_page.h"
#include "tracking/markup.h"

static bool is_html(const struct page *page)
{
	return page->format == PAGE_HTML;
}

static void put(struct page *page, const char *html, const char *markdown)
{
	buffer_append(page->out, slice_of(is_html(page) ? html : markdown));
}

void page_put_text(struct page *page, struct slice text)
{
	if (is_html(page))
		markup_put_html(page->out, text);
	else
		markup_put_markdown(page->out, text);
}

void page_put_code(struct page *page, struct slice text)
{
	if (!is_html(page)) {
		markup_put_markdown_code(page->out, text);
		return;
	}
	put(page, "<code>", "");
	markup_put_html(page->out, text);
	put(page, "</code>", "");
}

void page_put_tag(struct page *page, struct slice text)
{
	put(page, "<span class=\"tag pii\">", "**");
	page_put_text(page, text);
	put(page, "</span>", "**");
}

void page_put_gap(struct page *page, struct slice text)
{
	put(page, "<strong class=\"tag purpose gap\">", "**");
	page_put_text(page, text);
	put(page, "</strong>", "**");
}

static void put_contents(struct page *page, const struct page_section *sections, size_t count)
{
	put(page, "<nav aria-label=\"Contents\"><ul>\n", "\n");
	for (size_t i = 0; i < count; i++) {
		put(page, "<li><a href=\"#", "- [");
		if (is_html(page))
			buffer_append(page->out, slice_of(sections[i].id));
		put(page, "\">", "");
		page_put_text(page, slice_of(sections[i].title));
		put(page, "</a></li>\n", "](#");
		if (!is_html(page)) {
			buffer_append(page->out, slice_of(sections[i].id));
			buffer_append(page->out, SLICE(")\n"));
		}
	}
	put(page, "</ul></nav>\n", "\n");
}

void page_begin(struct page *page, const char *title, const struct page_section *sections, size_t count)
{
	put(page,
	    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
	    "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
	    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
	    "base-uri 'none'; form-action 'none'\">\n<title>",
	    "# ");
	page_put_text(page, slice_of(title));
	put(page, "</title>\n<style>\n", "\n");
	put(page, docs_page_style, "");
	put(page,
	    "</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#content\">To the content</a>\n<div class=\"page\">\n"
	    "<header class=\"side\">\n<h1>",
	    "");
	put(page, title, "");
	put(page, "</h1>\n", "");
	put_contents(page, sections, count);
	put(page, "</header>\n<main id=\"content\" tabindex=\"-1\">\n", "");
}

void page_end(struct page *page)
{
	put(page, "</main>\n</div>\n</body>\n</html>\n", "");
}

void page_put_section(struct page *page, const struct page_section *section)
{
	put(page, "<h2 class=\"part\" id=\"", "\n<a id=\"");
	buffer_append(page->out, slice_of(section->id));
	put(page, "\">", "\"></a>\n## ");
	page_put_text(page, slice_of(section->title));
	put(page, "</h2>\n", "\n\n");
}

void page_put_heading(struct page *page, struct slice id, struct slice title, struct slice beside)
{
	if (is_html(page)) {
		buffer_append(page->out, SLICE("<h3 id=\""));
		markup_put_html(page->out, id);
	}
	put(page, "\">", "\n### ");
	page_put_code(page, title);
	put(page, " <span class=\"soft\">", " ");
	page_put_text(page, beside);
	put(page, "</span></h3>\n", "\n\n");
}

void page_begin_paragraph(struct page *page)
{
	put(page, "<p>", "");
}

void page_end_paragraph(struct page *page)
{
	put(page, "</p>\n", "\n\n");
}

void page_begin_list(struct page *page)
{
	put(page, "<ul>\n", "");
}

void page_begin_item(struct page *page)
{
	put(page, "<li>", "- ");
}

void page_end_item(struct page *page)
{
	put(page, "</li>\n", "\n");
}

void page_end_list(struct page *page)
{
	put(page, "</ul>\n", "\n");
}

void page_begin_table(struct page *page, struct slice caption, const char *const *columns, size_t count)
{
	if (is_html(page)) {
		buffer_append(page->out, SLICE("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\""));
		markup_put_html(page->out, caption);
		buffer_append(page->out, SLICE("\"><table><caption>"));
		markup_put_html(page->out, caption);
		buffer_append(page->out, SLICE("</caption><thead><tr>"));
	}
	if (!is_html(page)) {
		buffer_append(page->out, SLICE("*"));
		markup_put_markdown(page->out, caption);
		buffer_append(page->out, SLICE("*\n\n"));
	}
	for (size_t i = 0; i < count; i++) {
		put(page, "<th scope=\"col\">", i ? " | " : "| ");
		page_put_text(page, slice_of(columns[i]));
		put(page, "</th>", "");
	}
	put(page, "</tr></thead><tbody>\n", " |\n|");
	for (size_t i = 0; i < count && !is_html(page); i++)
		buffer_append(page->out, SLICE("---|"));
	put(page, "", "\n");
}

void page_begin_row(struct page *page)
{
	put(page, "<tr>", "");
	page->cells = 0;
}

void page_begin_cell(struct page *page)
{
	if (page->cells)
		put(page, page->cells == 1 ? "</th>" : "</td>", "");
	put(page, page->cells ? "<td>" : "<th scope=\"row\">", page->cells ? " | " : "| ");
	page->cells++;
}

void page_end_row(struct page *page)
{
	put(page, page->cells == 1 ? "</th></tr>\n" : "</td></tr>\n", " |\n");
}

void page_end_table(struct page *page)
{
	put(page, "</tbody></table></div>\n", "\n");
}

static void put_formatted(struct page *page, const char *format, va_list args)
{
	struct buffer text;

	buffer_init(&text, NULL);
	buffer_append_formatted(&text, format, args);
	page_put_text(page, buffer_slice(&text));
	page->out->failed |= text.failed;
	buffer_fini(&text);
}

void page_put_paragraph(struct page *page, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	page_begin_paragraph(page);
	put_formatted(page, format, args);
	page_end_paragraph(page);
	va_end(args);
}

void page_put_item(struct page *page, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	page_begin_item(page);
	put_formatted(page, format, args);
	page_end_item(page);
	va_end(args);
}

void page_put_cell(struct page *page, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	page_begin_cell(page);
	put_formatted(page, format, args);
	va_end(args);
}
