#include "base/query.h"

struct slice query_of_url(struct slice url)
{
	size_t at = slice_find(url, '?'), fragment = slice_find((struct slice) { url.at, at }, '#');
	if (fragment < at)
		at = fragment;
	return at < url.len ? (struct slice) { url.at + at + 1, url.len - at - 1 } : SLICE_NONE;
}

bool query_next(struct slice *rest, struct slice *name, struct slice *value)
{
	size_t end = 0, equals = SIZE_MAX;
	if (!rest->len)
		return false;
	for (; end < rest->len && rest->at[end] != '&' && rest->at[end] != '#' && rest->at[end] != '?'; end++)
		if (rest->at[end] == '=' && equals == SIZE_MAX)
			equals = end;
	*name = (struct slice) { rest->at, equals < end ? equals : end };
	*value = equals < end ? (struct slice) { rest->at + equals + 1, end - equals - 1 } : SLICE_NONE;
	rest->at += end < rest->len ? end + 1 : end;
	rest->len -= end < rest->len ? end + 1 : end;
	return true;
}
