/* record_table.h - how the field tables of record.h are written down:

     RECORD_TYPE (PORT, container_port_t,
         FIELD (container_port_t, name,           "name",          TEXT),
         FIELD (container_port_t, container_port, "containerPort", INT));
     RECORD_TYPE (CONTAINER, container_t,
         FIELD_OF (container_t, ports, "ports", LIST, PORT));

   Only for .c files that hold such tables: the names are short. */
#pragma once
#include "cubelet/record.h"

/* A row: the member's field NAME and its kind without FIELD_. */
#define FIELD(TYPE, MEMBER, NAME, KIND)                                                            \
    {                                                                                              \
        .name = NAME, .kind = FIELD_##KIND, .offset = offsetof (TYPE, MEMBER)                      \
    }

/* A row of kind RECORD, OPT_RECORD or LIST; OF is the record type below it. */
#define FIELD_OF(TYPE, MEMBER, NAME, KIND, OF)                                                     \
    {                                                                                              \
        .name = NAME, .kind = FIELD_##KIND, .offset = offsetof (TYPE, MEMBER), .of = &OF           \
    }

/* A row whose number lies between LOW and HIGH. */
#define FIELD_IN(TYPE, MEMBER, NAME, KIND, LOW, HIGH)                                              \
    {                                                                                              \
        .name = NAME, .kind = FIELD_##KIND, .offset = offsetof (TYPE, MEMBER), .low = LOW,         \
        .high = HIGH                                                                               \
    }

/* A text row with the values allowed, an array that ends with NULL. */
#define FIELD_ONE_OF(TYPE, MEMBER, NAME, KIND, VALUES)                                             \
    {                                                                                              \
        .name = NAME, .kind = FIELD_##KIND, .offset = offsetof (TYPE, MEMBER), .one_of = VALUES    \
    }

/* The type itself, static to its file. */
#define RECORD_TYPE(SYMBOL, TYPE, ...)                                                             \
    static const record_type_t SYMBOL = { .fields =                                                \
                                              (const field_t[]){ __VA_ARGS__, { .name = NULL } },  \
                                          .size = sizeof (TYPE) }
