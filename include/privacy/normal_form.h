/* Personal data in the forms over which ad platforms compute their hashes, so that theirs and ours agree. All write to
 * `to`, which has room for NORMAL_FORM_BYTES, and return what was written; SLICE_NONE where the text is not what it
 * should be. Thread: any. */
#ifndef HEADGATE_PRIVACY_NORMAL_FORM_H
#define HEADGATE_PRIVACY_NORMAL_FORM_H

#include "base/slice.h"

#define NORMAL_FORM_BYTES 512

/* Trimmed, lower case (ASCII): Meta, TikTok. */
struct slice normal_email(struct slice text, char *to);
/* Google's, of a normal_email: of gmail.com and googlemail.com addresses the dots and what follows a + are left out. */
struct slice normal_email_google(struct slice email, char *to);
/* E.164 with its +: TikTok, Google. A number without country code is one of `country` (ISO 3166-1 alpha-2; empty: not
 * known); a trunk prefix is dropped, also behind the country code. Full-width digits count. */
struct slice normal_phone(struct slice text, struct slice country, char *to);
/* True if numbers of the country can be read. */
bool normal_phone_knows(struct slice country);
/* Trimmed, lower case (ASCII), runs of white space as one blank: names, streets. */
struct slice normal_words(struct slice text, char *to);
/* As normal_words, without blanks and ASCII punctuation: city, region, postal code, country (Meta). */
struct slice normal_compact(struct slice text, char *to);

#endif
