/*
 * case_file.c - reads the settings of a case file.
 */
#include "tests/case_file.h"

#include <cjson/cJSON.h>
#include <stdio.h>

#include "harness/files/json.h"
#include "harness/files/safetensors.h"
#include "harness/network/network.h"
#include "tests/test.h"

static bool is_taken(const Case *c)
{
    Graph *g;

    if (network_build(&g, c, NULL, TAPS_NONE))
        return false;
    graph_free(g);
    return true;
}

void case_fit(Case *c)
{
    char path[128], text[PARAM_TEXT_MAX];
    Safetensors *st;
    cJSON *config;

    if (is_taken(c))
        return;
    snprintf(path, sizeof(path), "tests/cases/%s_settings1.safetensors",
             c->module.text);
    REQUIRE(st_open(&st, path) == OK);
    config = cJSON_Parse(st_metadata(st, "config"));
    for (const cJSON *i = config ? config->child : NULL; i; i = i->next)
        CHECK(json_setting(i, text, sizeof(text)) == OK &&
              case_set(c, i->string, text) == OK);
    cJSON_Delete(config);
    st_close(st);
}
