/* SPDX-License-Identifier: MIT */
/* Names for servers, as cluster files and rule files want them. */
#ifndef NETSPLIT_SCENARIOS_INIT_SURVEY_NAME_H
#define NETSPLIT_SCENARIOS_INIT_SURVEY_NAME_H

struct survey;
struct survey_server;

/* Gives the server, which is not counted yet, a name that none of those counted has:
 * its title, its host's first label, or n1, n2, ... */
void survey_name(const struct survey *survey, struct survey_server *server);

#endif
