/* `headgate privacy [--format html|markdown] [--out FILE]`: needs neither the daemon nor its lock. */
#include <stdio.h>

#include "command/command.h"
#include "pipeline/snapshot.h"
#include "tracking/processing.h"

int command_privacy(const struct command_line *line)
{
	struct error err = { 0 };
	struct buffer text;
	enum page_format format = PAGE_HTML;

	if (line->catalog.format && strcmp(line->catalog.format, "markdown") == 0)
		format = PAGE_MARKDOWN;
	else if (line->catalog.format && strcmp(line->catalog.format, "html") != 0)
		return command_usage("--format of privacy is html or markdown");
	struct config *cfg = config_load(&line->config, &err);
	struct snapshot *snap = cfg ? snapshot_load(cfg, &err) : NULL;
	if (!snap)
		return command_fail(&err);
	buffer_init(&text, NULL);
	bool ok = processing_write(snap->cfg, snap->cat, format, &text, &err) &&
	          command_put_out(line, buffer_slice(&text), &err);
	buffer_fini(&text);
	snapshot_release(&snap);
	return ok ? 0 : command_fail(&err);
}
