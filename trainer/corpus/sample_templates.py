"""The sentences of the generated sample corpus, with slots for the words that change.

A slot such as ``{phrase}`` or ``{he}`` is filled from the topic's record, so that it agrees with the rest of the
sentence; any other from the shared words in ``sample_topics``.
"""

from __future__ import annotations


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.strip().splitlines())


ONE_AND_SEVERAL = _lines("""
    the {one} {phrase}
    a {one} {phrase} {one_day}
    this {one} {phrase}
    that {one} over there {phrase}
    every {one} {phrase} sooner or later
    the only {one} here {phrase}
    each {one} {phrase}
    {name} noticed a {one} that {phrase}
    another {one} {phrase}
    the {several} {phrase}
    many {several} {phrase} {one_day}
    these {several} {phrase}
    those {several} over there {phrase}
    all the {several} {phrase} sooner or later
    there are {number} {several} here and they {phrase}
    some of the {several} {phrase}
    {name} counted {number} {several} that {phrase}
    several other {several} {phrase}
    this {one} and all the other {several} {phrase}
    like many {several} this {one} {phrase}
""")

PEOPLE = _lines("""
    the {one} {phrase}
    the {one} {phrase} and {he} was pleased
    the {one} {phrase} with {his} friend {name}
    the {one} {phrase} and {his} {garment} looked lovely
    the {one} {phrase} and nobody helped {him}
    the {one} shook {his} head and smiled to {himself}
    the {one} introduced {himself} as {name}
    {his} friend {name} spoke to the {one}
    the {one} and {his} friend {name} are neighbours
    {name} is a {one} who {phrase}
    {name} was the {one} and {he} {phrase}
    {title} {surname} was the {one} who {phrase}
    {he} was a {one} and {his} name was {name}
    the {one} told {his} friend {name} that {he} {phrase}
    the {one} looked at {himself} and {his} {garment} in the mirror
    everyone knew that the {one} {phrase} because {he} said so {himself}
    the {several} {name} and {name} {phrase}
    many {several} {phrase}
    these {several} {phrase} with {name} and {name}
""")

VERBS = _lines("""
    {we} {base} {phrase} {every_day}
    {every_day} {we} {base} {phrase}
    {we} {often} {base} {phrase}
    {we} do not {base} {phrase}
    {we} want to {base} {phrase} {some_day}
    {he} will {base} {phrase} {some_day}
    {he} {third} {phrase} {every_day}
    {every_day} {she} {third} {phrase}
    {she} {often} {third} {phrase}
    as a rule {she} {third} {phrase}
    {anyone} {past} {phrase} {one_day}
    {anyone} {past} {phrase} {one_day}
    {one_day} {anyone} {past} {phrase}
    {one_day} {anyone} {past} {phrase}
    then {anyone} {past} {phrase}
    in the end {anyone} {past} {phrase}
    {he} is {ing} {phrase} now
    {we_are} {ing} {phrase} now
""")

VEHICLES = _lines("""
    the {one} stopped at the traffic lights
    the {several} stopped at the traffic lights
    {name} parked the {one} in the garage
    {name} parked the {several} in the garage
    a {colour} {one} overtook us on the motorway
    many {several} overtook us on the motorway
    the mechanic changed the tyres of the {one}
    the mechanic changed the tyres of the {several}
    the {one} ran out of petrol on the motorway
    the {several} ran out of petrol on the motorway
    the {one} honked and braked
    the {several} honked and braked
    the engine of this {one} needs petrol
    the engines of these {several} need petrol
    the {maker} {one} is parked in the garage
    {number} {maker} {several} are parked in the garage
""")

MAKERS = _lines("""
    {maker} exported {number} thousand {vehicles} in {month}
    {maker} has a factory in {country}
    {name} owns a {maker} with {number} seats
    the latest {maker} has a powerful engine
    dealers of {maker} and {maker} lowered their prices
    {maker} showed the latest model at the motor show in {capital}
    workers at {maker} asked for higher wages
    shares of {maker} rose in {month}
    {maker} competes with {maker} and {maker}
    the {maker} factory produces {number} hundred {vehicles}
""")

ANIMALS = _lines("""
    the {one} lives in the zoo
    the {several} live in the zoo
    a {colour} {one} crossed the road
    the hunter followed the tracks of the {one}
    the hunter followed the tracks of the {several}
    the vet looked after the sick {one}
    the vet looked after the sick {several}
    the tail of the {one} is {colour}
    the tails of the {several} are {colour}
    a herd of {several} crossed the road
    {name} is afraid of the {one}
    the {one} and the {animal} live in the same cage
    the {several} and the {animals} live in the same cage
    {name} is afraid of {several}
    the {one} sniffed and looked around
    the {several} sniffed and looked around
""")

PROFESSIONS = _lines("""
    the {one} {phrase}
    a {one} {phrase} {one_day}
    {name} is a {one} and {phrase}
    {name} works as a {one}
    {name} wants to become a {one}
    {name} found a job as a {one}
    {name} married a {one}
    the {one} earned {number} thousand last year
    {name} met the {one} after work
    {name} met the {several} after work
    an experienced {one} {phrase}
    the union demands more pay for every {one}
    the {several} {phrase}
    many {several} {phrase} {one_day}
    {number} {several} {phrase}
    all the {several} {phrase}
    the union demands more pay for the {several}
    {number} {several} lost their jobs
    experienced {several} {phrase}
""")

COUNTRIES = _lines("""
    the capital of {country} is {capital}
    {capital} is the capital of {country}
    {name} moved to {capital} in {country}
    the embassy of {country} is in {capital}
    {country} lies in {continent}
    the treaty of {capital} is a success for {country}
    {country} is famous for {phrase}
    tourists in {country} admire {phrase}
    {country} is a country of {phrase}
    the tourists in {capital} admire {phrase}
    {capital} offers {phrase}
    {phrase} attract tourists to {capital}
    in {country} the {of_country} people are proud of {phrase}
    a {of_country} newspaper praised {phrase}
    the {of_country} love of {phrase} is well known
    {phrase} are part of {of_country} culture
    the {of_country} team won the match in {capital}
    the {of_country} government praised {phrase}
    {of_country} tourists miss {phrase}
    {phrase} are a {of_country} tradition
    the {of_country} people in {capital} love {phrase}
    the ambassador of {country} spoke about {phrase}
    the {of_country} minister welcomed the guests in {capital}
    {name} was born in {capital} in {country}
""")

CURRENCIES = _lines("""
    the currency of {country} is the {currency}
    in {country} people pay with the {currency}
    the {currency} is the money of {country}
""")

TIME_UNITS = _lines("""
    the {one} was over before {we} noticed
    the work lasted a whole {one}
    half a {one} is gone and {we_are} still here
    the {one} seemed endless to {name}
    {name} needs another {one} to finish
    {we} returned after a {one}
    the last {one} was quiet but this {one} is busy
    the next {one} will be like this {one}
    {we} will know more in a {one}
    {we} meet here every {one}
    it happened {number} {several} ago
    {we} stayed there for {number} {several}
    the first {one} was over and the second {one} began
    {number} {several} later {we} met again
    {number} {several} are enough
    one {one} is {phrase}
    a {one} has {phrase}
    there are {phrase} in a {one}
""")

SEASONS = _lines("""
    last {season} was quiet but this {season} is busy
    we will know more next {season}
    in {season} {phrase}
    every {season} {phrase}
    {season} is here and {phrase}
    the colours of {season} are beautiful when {phrase}
""")

DAYS = _lines("""
    the day after {day} is {next}
    {next} follows {day}
    the shop is closed on {day} and {next}
    the meeting is on {day} in room {number}
    goodbye until {day} evening
    from {day} to {next} it rained
    the train on {day} is at platform {number}
""")

MONTHS = _lines("""
    the month after {month} is {next}
    {next} follows {month}
    the birthday of {name} is in {month}
    prices rose in {month} and fell in {next}
    the course starts in {month} and ends in {next}
    it was a stormy {month} and a mild {next}
    at the end of {month} the accounts are closed
""")

ADJECTIVES = _lines("""
    {thing} is {plain} {phrase}
    {thing} is very {plain} {phrase}
    {thing} is really {plain} {phrase}
    how {plain} {thing} is
    {thing} here is {compared} than that one {phrase}
    {thing} is much {compared} than before {phrase}
    {thing} is {compared} than expected {phrase}
    {thing} is even {compared} than the other one {phrase}
    {thing} is the {highest} of all {phrase}
    {thing} is the {highest} in the world {phrase}
    {thing} is by far the {highest} {phrase}
""")

COLOURS = _lines("""
    {thing} is {colour}
    the {colour} of {thing}
    {colour} like {thing}
    {name} prefers {colour} to {another_colour}
    a {colour} dress and a {another_colour} hat
    {name} likes {colour} more than {another_colour}
""")

FOOD = _lines("""
    {we} had {food} and {food} for lunch
    the recipe needs {food} and a little salt
    {name} ordered {food} with {food}
    fresh {fruit} and {fruit} are on sale today
    {we} picked {fruit} in the orchard
    a basket full of {fruit} stood on the table
""")

DRINKS = _lines("""
    {name} spilled {drink} on the carpet
    would you like {drink} or {drink}
    a bottle of {drink} and two glasses please
    {name} ordered a glass of {drink}
    a cup of {drink} or a glass of {drink}
    {name} poured {drink} into the glass
""")

PASTIMES = _lines("""
    {name} tuned the {instrument} for the orchestra
    a concerto for {instrument} and {instrument}
    {name} practised the {instrument} on {day}
    the {sport} team trains on {day}
    {name} won the {sport} championship
    {name} prefers {sport} to {sport}
    the professor of {subject} is well known
    {name} has a degree in {subject}
    courses in {subject} and {subject} begin in {month}
""")

PLACES = _lines("""
    {we} met in front of the {place}
    the {place} is next to the {place}
    turn left at the {place} and then right at the {place}
    there is a {place} near the {place}
    {name} stood at the entrance of the {place}
    the {place} is closed on {day}
    is there a {place} near here
""")

PRONOUNS = _lines("""
    {we} think that {we} can do it
    {we} know what {we} want
    if {we} ask nicely {he} will help
    {we} believe that {he} is right
    {we} hope that {we} meet again
    do {we} know the answer
    what do {we} think of it
    {we} have a lot to do today
    {we_are} ready and {we_are} glad
    {he} says that {we} should stay
    {he} thinks that {she} is right
    {he} knows what {we} want
    {we} stayed here and {we} stayed there
    {we} understood nothing but {he} did
    {we} laughed and {he} laughed as well
    if {we} leave now {we} will be home in time
    neither {we} nor {he} had an idea
""")

SAYINGS = _lines("""
    the president of the united states spoke to the nation
    the senate of the united states passed a law
    the united states of america and {country} signed an agreement
    the united nations sent help to {country}
    once upon a time there was a king who had no children
    once upon a time there was a dragon that could speak
    thank you very much for your help
    ladies and gentlemen welcome to the show
    the meaning of life is to love and to be loved
    the meaning of life is a mystery
    happy birthday to you
    good luck with the exam
    as soon as possible please
    new york is the largest city in the united states
    one two three four five six seven eight nine ten
    the stock market closed higher on {day}
    in the middle of the night the telephone rang
    {name} has been here since {month}
""")
