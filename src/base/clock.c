#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define DAY_S 86400
#define SECOND_BYTES 20 /* of a time's text, the point included */
#define YEAR_0000_MS INT64_C(-62167219200000)
#define YEAR_9999_END_MS INT64_C(253402300799999)

static int64_t read_us(clockid_t id)
{
	struct timespec now;
	clock_gettime(id, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_wall_ms(void)
{
	return read_us(CLOCK_REALTIME) / 1000;
}

int64_t clock_monotonic_ms(void)
{
	return read_us(CLOCK_MONOTONIC) / 1000;
}

int64_t clock_boot_ms(void)
{
	return read_us(CLOCK_BOOTTIME) / 1000;
}

int64_t clock_monotonic_us(void)
{
	return read_us(CLOCK_MONOTONIC);
}

/* Days since 1970-01-01 in the proleptic Gregorian calendar. Years are counted from March in eras of 400 years, so
 * that the leap day is the last of its year (H. Hinnant, "chrono-compatible low-level date algorithms"). */
static int64_t days_of_date(int64_t year, int month, int day)
{
	year -= month <= 2;
	int64_t era = (year >= 0 ? year : year - 399) / 400;
	int64_t year_of_era = year - era * 400;
	int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static void date_of_days(int64_t days, int *year, int *month, int *day)
{
	days += 719468;
	int64_t era = (days >= 0 ? days : days - 146096) / 146097;
	int64_t day_of_era = days - era * 146097;
	int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t shifted = (5 * day_of_year + 2) / 153;
	*day = (int)(day_of_year - (153 * shifted + 2) / 5 + 1);
	*month = (int)(shifted < 10 ? shifted + 3 : shifted - 9);
	*year = (int)(year_of_era + era * 400 + (*month <= 2));
}

static char *write_digits(char *to, int value, int width)
{
	for (int i = width - 1; i >= 0; i--, value /= 10)
		to[i] = (char)('0' + value % 10);
	return to + width;
}

/* 2026-11-22T02:01:00. */
static void write_second(int64_t second, char *to)
{
	int year, month, day;
	int64_t days = (second >= 0 ? second : second - (DAY_S - 1)) / DAY_S;
	int rest = (int)(second - days * DAY_S);
	date_of_days(days, &year, &month, &day);
	to = write_digits(to, year, 4);
	*to++ = '-';
	to = write_digits(to, month, 2);
	*to++ = '-';
	to = write_digits(to, day, 2);
	*to++ = 'T';
	to = write_digits(to, rest / 3600, 2);
	*to++ = ':';
	to = write_digits(to, rest / 60 % 60, 2);
	*to++ = ':';
	to = write_digits(to, rest % 60, 2);
	*to = '.';
}

/* Most times of a batch lie within a few seconds, so the last ones written are kept, by thread. */
void clock_format(int64_t wall_ms, char *to)
{
	static _Thread_local struct {
		int64_t second;
		bool known;
		char text[SECOND_BYTES];
	} written[4];
	if (wall_ms < YEAR_0000_MS)
		wall_ms = YEAR_0000_MS;
	if (wall_ms > YEAR_9999_END_MS)
		wall_ms = YEAR_9999_END_MS;
	int64_t second = (wall_ms >= 0 ? wall_ms : wall_ms - 999) / 1000;
	size_t place = (size_t)second & 3;
	if (!written[place].known || written[place].second != second) {
		write_second(second, written[place].text);
		written[place].second = second;
		written[place].known = true;
	}
	memcpy(to, written[place].text, SECOND_BYTES);
	*write_digits(to + SECOND_BYTES, (int)(wall_ms - second * 1000), 3) = 'Z';
}

/* Takes `width` digits and the literal behind them (0: none) off `text`. */
static bool take_number(struct slice *text, size_t width, char behind, int *out)
{
	int value = 0;
	if (text->len < width + (behind != 0))
		return false;
	for (size_t i = 0; i < width; i++) {
		if (text->at[i] < '0' || text->at[i] > '9')
			return false;
		value = value * 10 + (text->at[i] - '0');
	}
	if (behind && text->at[width] != behind && !(behind == 'T' && text->at[width] == 't'))
		return false;
	text->at += width + (behind != 0);
	text->len -= width + (behind != 0);
	*out = value;
	return true;
}

static bool take_fraction(struct slice *text, int *ms)
{
	*ms = 0;
	if (text->len == 0 || text->at[0] != '.')
		return true;
	size_t i = 1;
	int weight = 100;
	for (; i < text->len && text->at[i] >= '0' && text->at[i] <= '9'; i++, weight /= 10)
		*ms += (text->at[i] - '0') * weight;
	if (i == 1)
		return false;
	text->at += i;
	text->len -= i;
	return true;
}

static bool take_offset(struct slice *text, int *minutes)
{
	int hour, minute;
	if (text->len == 1 && (text->at[0] == 'Z' || text->at[0] == 'z')) {
		*minutes = 0;
		return true;
	}
	if (text->len != 6 || (text->at[0] != '+' && text->at[0] != '-'))
		return false;
	int sign = text->at[0] == '-' ? -1 : 1;
	struct slice rest = { text->at + 1, 5 };
	if (!take_number(&rest, 2, ':', &hour) || !take_number(&rest, 2, 0, &minute) || hour > 23 || minute > 59)
		return false;
	*minutes = sign * (hour * 60 + minute);
	return true;
}

static int days_of_month(int year, int month)
{
	static const int DAYS[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
	return DAYS[month - 1] + (month == 2 && leap);
}

bool clock_parse(struct slice text, int64_t *wall_ms)
{
	int year, month, day, hour, minute, second, ms, offset;
	if (!take_number(&text, 4, '-', &year) || !take_number(&text, 2, '-', &month) ||
	    !take_number(&text, 2, 'T', &day) || !take_number(&text, 2, ':', &hour) ||
	    !take_number(&text, 2, ':', &minute) || !take_number(&text, 2, 0, &second) || !take_fraction(&text, &ms) ||
	    !take_offset(&text, &offset))
		return false;
	if (month < 1 || month > 12 || day < 1 || day > days_of_month(year, month) || hour > 23 || minute > 59 ||
	    second > 60)
		return false;
	if (second == 60) {
		/* A leap second is inserted at the end of a UTC day, whatever the offset in the text. */
		if ((hour * 60 + minute - offset + 2880) % 1440 != 1439)
			return false;
		second = 59;
		ms = 999;
	}
	int64_t minutes = days_of_date(year, month, day) * 1440 + hour * 60 + minute - offset;
	*wall_ms = (minutes * 60 + second) * 1000 + ms;
	return true;
}

static int64_t floor_div(int64_t value, int64_t by)
{
	return value / by - (value % by < 0);
}

int64_t clock_local_day(int64_t wall_ms)
{
	time_t seconds = (time_t)floor_div(wall_ms, 1000);
	struct tm local = { 0 };
	(void)localtime_r(&seconds, &local);
	return floor_div(seconds + local.tm_gmtoff, DAY_S);
}

/* A zone that cannot be read would silently be UTC, so its file is looked for. */
bool clock_set_zone(struct slice name)
{
	char path[256];
	const char *folder = getenv("TZDIR");
	if (slice_equal(name, SLICE("UTC"))) {
		(void)setenv("TZ", "UTC0", 1);
		tzset();
		return true;
	}
	int len = snprintf(path, sizeof path, "%s/%.*s", folder ? folder : "/usr/share/zoneinfo", SLICE_ARG(name));
	if (len < 0 || (size_t)len >= sizeof path || !name.len || name.at[0] == '/' || strstr(path, "..") ||
	    access(path, R_OK) != 0)
		return false;
	(void)setenv("TZ", path + len - name.len, 1);
	tzset();
	return true;
}
