#include "identity/geo.h"

#include <maxminddb.h>
#include <netinet/in.h>
#include <stdlib.h>

struct geo {
	MMDB_s db;
};

struct geo *geo_open(struct slice path, struct error *err)
{
	char *name = strndup(path.at, path.len);
	struct geo *geo = calloc(1, sizeof *geo);
	int status = MMDB_OUT_OF_MEMORY_ERROR;
	if (name && geo)
		status = MMDB_open(name, MMDB_MODE_MMAP, &geo->db);
	free(name);
	if (status == MMDB_SUCCESS)
		return geo;
	free(geo);
	error_set(err, ERROR_CONFIG, "context.geo_database: %.*s: %s", SLICE_ARG(path), MMDB_strerror(status));
	return NULL;
}

void geo_close(struct geo **geo)
{
	if (!*geo)
		return;
	MMDB_close(&(*geo)->db);
	free(*geo);
	*geo = NULL;
}

static MMDB_lookup_result_s look(const struct geo *geo, const uint8_t address[16], int *status)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct sockaddr_in four = { .sin_family = AF_INET };
	struct sockaddr_in6 six = { .sin6_family = AF_INET6 };
	if (memcmp(address, mapped, sizeof mapped) == 0) {
		memcpy(&four.sin_addr, address + 12, 4);
		return MMDB_lookup_sockaddr(&geo->db, (const struct sockaddr *)&four, status);
	}
	memcpy(&six.sin6_addr, address, 16);
	return MMDB_lookup_sockaddr(&geo->db, (const struct sockaddr *)&six, status);
}

static struct slice text_at(MMDB_entry_s *entry, const char *const *path)
{
	MMDB_entry_data_s data;
	if (MMDB_aget_value(entry, &data, path) != MMDB_SUCCESS || !data.has_data ||
	    data.type != MMDB_DATA_TYPE_UTF8_STRING)
		return SLICE_NONE;
	return (struct slice) { data.utf8_string, data.data_size };
}

struct geo_place geo_look(const struct geo *geo, const uint8_t address[16])
{
	static const char *const country[] = { "country", "iso_code", NULL };
	static const char *const city[] = { "city", "names", "en", NULL };
	int status = MMDB_SUCCESS;
	MMDB_lookup_result_s found = look(geo, address, &status);
	if (status != MMDB_SUCCESS || !found.found_entry)
		return (struct geo_place) { 0 };
	return (struct geo_place) { text_at(&found.entry, country), text_at(&found.entry, city) };
}
