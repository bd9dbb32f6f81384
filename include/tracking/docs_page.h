/* What the HTML page of the catalog brings along: its style and its search. */
#ifndef HEADGATE_TRACKING_DOCS_PAGE_H
#define HEADGATE_TRACKING_DOCS_PAGE_H

extern const char docs_page_style[];
extern const char docs_page_script[];

#endif
