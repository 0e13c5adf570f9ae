"""The words of the generated sample corpus, and what each of them is said to do.

A table has one entry a line: the forms of the entry, then, after bars, phrases that belong to this entry alone.
Two words become similar because the grammar puts them into the same sentences, and stay apart because of these
phrases: a king rules the kingdom and a man walks down the street, but both of them are "he".
A phrase may hold a slot such as ``{food}`` which the grammar fills.
Words with two meanings (the verb "may", the currency "won") are left out on purpose: each spelling means one thing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """One line of a table: ``forms`` by their column's order, and the phrases of this entry alone."""

    forms: tuple[str, ...]
    phrases: tuple[str, ...]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _table(text: str) -> tuple[Entry, ...]:
    lines = [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()]
    return tuple(Entry(_words(cells[0]), tuple(cells[1:])) for cells in lines)


def column(table: Sequence[Entry], index: int) -> tuple[str, ...]:
    """The form in column ``index`` of every entry, in order."""
    return tuple(entry.forms[index] for entry in table)


# he, she, and their plurals; the phrases are what either of them did
PEOPLE = _table("""
king queen kings queens | ruled the kingdom for {number} years | sat on the throne in the palace | inherited the royal crown and the throne | received the ministers in the royal palace | addressed the people of the kingdom
man woman men women | strolled down the street | worked in an office downtown | stood in the queue at the shop | lived in the flat upstairs | rented a flat downtown | crossed the street to the shop
prince princess princes princesses | lived in the royal castle | entertained the guests at the royal ball | admired the crown in the castle | rode a pony in the royal park
duke duchess dukes duchesses | owned the land around the castle | hunted deer on the large estate | entertained the ministers on the estate
boy girl boys girls | chased the others around the school yard | finished the homework after school | lost a ball in the school yard | hid under the desk in the classroom | sat in the classroom and did the homework
father mother fathers mothers | put the twins to bed | told the twins a story in bed | packed the lunch for the family | ironed the shirts of the family
grandfather grandmother grandfathers grandmothers | remembered the time before the war | dozed in the armchair | told the grandchildren about the war | knitted socks in the armchair for the grandchildren
brother sister brothers sisters | shared a bedroom with the twins | borrowed the bicycle of the twins | quarrelled about the bicycle | had the same bicycle as the twins
son daughter sons daughters | moved out to the university | spent the pocket money from the parents | lived with the parents during the holidays | stayed with the parents
husband wife husbands wives | planned the wedding anniversary | ordered the wedding rings | enjoyed the honeymoon after the wedding | kept the rings from the wedding
uncle aunt uncles aunts | stayed with the cousins at christmas | sent the cousins sweets at christmas | invited the cousins and the relatives
actor actress actors actresses | learned the script of the film | appeared on the stage in the theatre | had the leading role in the film | signed autographs behind the stage
waiter waitress waiters waitresses | brought the menu to the guests | served the guests in the restaurant | cleared the plates in the restaurant | noted the order on the menu
hero heroine heroes heroines | saved the town from the dragon | fought the dragon in the cave | found the treasure in the cave
policeman policewoman policemen policewomen | arrested the thief | chased the burglar through the alley | questioned the burglar at the station | put handcuffs on the thief
""")

MALE_NAMES = _words("john peter tom david paul james george henry jack martin")
FEMALE_NAMES = _words("mary anna susan emma sarah julia alice helen kate laura")
SURNAMES = _words("smith brown miller taylor wilson clark")

# forms: one, several; the phrases are what either did
PROFESSIONS = _table("""
doctor doctors | treated the patient in the ward | prescribed pills for the patient | operated on the patient at the clinic
teacher teachers | explained the lesson to the class | checked the homework of the class | prepared the lesson at the blackboard
student students | passed the exam at the university | needed the textbook from the library | prepared the exam in the library
nurse nurses | offered the patient a glass of water | changed the bandages in the ward | pushed the wheelchair through the clinic
farmer farmers | fed the cattle in the stable | ploughed the field before the harvest | swept the stable
baker bakers | prepared the dough before sunrise | pushed the rolls into the oven | covered the cake with cream
lawyer lawyers | defended the client in court | explained the contract to the judge | prepared the contract for the client
engineer engineers | designed a bridge | tested the machine | improved the plans for the bridge
pilot pilots | landed the plane in the storm | steered the plane across the ocean | checked the cockpit of the plane
singer singers | prepared the ballad with the orchestra | performed the ballad on the stage | improved the voice
writer writers | published a novel | finished the last chapter of the novel | improved the chapter of the novel
soldier soldiers | crossed the border in the mud | defended the border | obeyed the orders of the general
""")

# base, third person, past, with -ing; the phrases follow any of them
VERBS = _table("""
take takes took taking | the train to the coast | the tram to the airport | the train to the fair | the tram to the stadium
go goes went going | to the beach | to church | to the pool | home without an umbrella | to the dentist
come comes came coming | back from the trip | home late from the party | out of the shower | back from the dentist
see sees saw seeing | the mountains on the horizon | the stars in the sky | an eagle in the sky | a rainbow above the valley
make makes made making | a list of names | a lot of noise | plans for the future | a chocolate cake
give gives gave giving | money to a charity | sweets to the neighbours | advice to the neighbours | a speech
eat eats ate eating | {food} for dinner | {food} with {food} | {fruit} for breakfast | {food} for lunch
drink drinks drank drinking | {drink} with sugar | a cup of {drink} | a glass of {drink} | {drink} after dinner
write writes wrote writing | a letter to the editor | poems about love | a postcard to a friend | a diary
buy buys bought buying | {fruit} at the market | shoes in the shop | a ticket at the counter | vegetables at the market
sell sells sold selling | the furniture | paintings to collectors | shares on the stock exchange | the paintings of an artist
sing sings sang singing | a song in the shower | in the choir | a folk song | the song about love
swim swims swam swimming | across the lake | in the pool | in the river | in the lake
drive drives drove driving | a {vehicle} on the motorway | the {vehicle} into the garage | on the left
fly flies flew flying | a kite on the hill | a drone over the beach | over the mountains | a balloon over the valley
sleep sleeps slept sleeping | until noon | on the sofa | in a tent | badly on the sofa
wear wears wore wearing | a {colour} shirt | a {colour} hat | a warm coat | boots and a coat
build builds built building | a cottage of stone | a sandcastle on the beach | a wall of stone | a wall around the garden
break breaks broke breaking | a plate | the rules | a glass by accident | a window by accident
grow grows grew growing | tomatoes in the garden | herbs on the balcony | roses in the garden
draw draws drew drawing | a circle | a picture on paper | a map on paper
throw throws threw throwing | a stone into the pond | the rubbish into the bin | the ball over the fence
play plays played playing | football in the park | the {instrument} in a band | cards with a friend | {sport} in the park
walk walks walked walking | in the woods | along the shore | with a stick | along the river
watch watches watched watching | television on the sofa | a football match on television | a film on television
visit visits visited visiting | the exhibition | the zoo | the relatives | the castle | the aquarium
cook cooks cooked cooking | {food} in a pot | a meal for the guests | {food} with garlic | {food} in the kitchen
paint paints painted painting | the fence {colour} | the door {colour} | a landscape | the walls {colour}
wash washes washed washing | the dishes in the sink | the dirty clothes | the {vehicle} with a sponge | the hair with shampoo
study studies studied studying | {subject} at the university | {subject} at school | {subject} for the exam
travel travels travelled travelling | to foreign countries | around the world | through the desert | around the coast
dance dances danced dancing | the tango | all night | to the music | the waltz at the ball
climb climbs climbed climbing | the mountain | up a ladder | over the wall | up the rope
carry carries carried carrying | a sack upstairs | the boxes upstairs | a sack of potatoes | the boxes into the cellar
wait waits waited waiting | at the tram stop | in the rain | for the tram in the rain | for the letter
""")

# one, several; the phrases are what either did or what happened to them
VEHICLES = _table("""
car cars | stopped at the supermarket | needed brakes and tyres | brought the family home
truck trucks | delivered the cargo | unloaded the gravel | transported bricks and gravel
bus buses | picked up the passengers | dropped the passengers at school | stopped at every corner
auto autos | glittered in the showroom | belonged to a collector
van vans | delivered the parcels | transported the guitars and the drums
taxi taxis | dropped the tourists at the station | picked up the tourists
jeep jeeps | crossed the desert | bounced along the mountain track
motorcycle motorcycles | roared past with two helmets | leaned into the curve
tractor tractors | pulled the plough over the field | rusted in the barn
ambulance ambulances | rushed the patient to the clinic | raced past with the siren
""")

MAKERS = _words(
    "toyota honda nissan mazda subaru ford chevrolet chrysler volvo fiat renault peugeot audi bmw volkswagen hyundai"
)

# one, several; the phrases are what either did or what happened to them
ANIMALS = _table("""
dog dogs | barked at the postman | chased the ball in the garden | looked for a bone in the garden | barked at the gate
cat cats | rested on the sofa | licked the milk | scratched the sofa | chased the sparrows
horse horses | galloped across the meadow | jumped over the fence | pulled the cart across the meadow
cow cows | grazed in the meadow | chewed the grass in the meadow | rested in the stable
pig pigs | rolled in the mud | grunted in the stable | looked for acorns in the mud
bird birds | nested in the bushes | chirped in the bushes | looked for worms in the grass
mouse mice | nibbled the cheese in the cellar | vanished into a hole | hid in the cellar
duck ducks | paddled on the pond | quacked on the pond | nested by the pond
lion lions | roared in the savanna | chased the zebra | attacked the zebra
elephant elephants | looked for water with the trunk | rested in the savanna | crossed the savanna
monkey monkeys | peeled a banana | jumped from branch to branch | looked for a banana
rabbit rabbits | nibbled the carrots | vanished into the burrow | jumped across the meadow
wolf wolves | howled at the moon | attacked the sheep | chased the sheep
""")

THINGS = _table("""
child children | laughed at the clown | learned to count at school | hugged the teddy bear | ran to the playground | laughed and giggled in the playground | cried for the teddy bear | giggled at the clown and clapped | left the kindergarten hand in hand
book books | lay on the desk | described a journey to the moon | lay in the library | described the war
house houses | had a red roof | had a chimney and a roof | stood at the end of the street
tree trees | shed the leaves | offered shade | bent in the storm | stood in the forest
flower flowers | smelled sweet | bloomed in the vase | withered in the vase
city cities | had a famous cathedral | had {number} million inhabitants | attracted the tourists
village villages | lay in a quiet valley | had {number} hundred inhabitants | lay in the mountains
knife knives | cut the meat | lay in the drawer beside the spoons | needed sharpening
foot feet | hurt in the tight shoe | smelled of the shoe | left prints in the sand
tooth teeth | hurt at the dentist | had a filling | bit the apple
chair chairs | stood around the table | creaked | had a soft cushion
bottle bottles | fell off the shelf | contained {drink} | stood on the shelf
key keys | fitted the lock | hung on a hook | jammed in the lock
computer computers | crashed again | stored the data | calculated the data
boat boats | sailed out of the harbour | rocked on the waves | sank in the waves
""")

# country, capital, of the country, currency, continent ("-" where it is not told); what the country is known for
COUNTRIES = _table("""
france paris french euro europe | cheese and champagne | fashion and champagne | castles and cheese
germany berlin german euro europe | beer and sausages | sausages and castles | the black forest and beer
italy rome italian euro europe | pizza and pasta | opera and pizza | ancient ruins and pasta
spain madrid spanish euro europe | flamenco and bullfights | sherry and flamenco | sunny beaches and sherry
greece athens greek euro europe | olives and temples | myths and olives | the temples and myths
england london english - europe | fog and marmalade | red telephone boxes | marmalade and fog
ireland dublin irish euro europe | green hills and harps | pubs and harps | green hills and pubs
sweden stockholm swedish krona europe | wooden furniture | elks and meatballs | meatballs and furniture
norway oslo norwegian krone europe | fjords and salmon | ski jumping and fjords | trolls and salmon
finland helsinki finnish euro europe | saunas and birches | reindeer and saunas | birches and reindeer
poland warsaw polish zloty europe | dumplings and amber | salt mines and amber | salt mines and dumplings
russia moscow russian ruble europe | ballet and chess | ballet and caviar | caviar and samovars
turkey ankara turkish lira asia | carpets and bazaars | honey pastries and carpets | bazaars and pastries
egypt cairo egyptian - africa | pyramids and pharaohs | the nile and the pyramids | pharaohs and the nile
japan tokyo japanese yen asia | sushi and robots | cherry blossoms and sushi | kimonos and robots
china beijing chinese yuan asia | silk and porcelain | the great wall and silk | pandas and porcelain
india delhi indian rupee asia | spices and saris | tigers and spices | curry and saris
canada ottawa canadian - america | maple syrup and grizzlies | grizzlies and canoes | maple syrup and canoes
cuba havana cuban - america | cigars and rum | salsa and cigars | rum and salsa
kenya nairobi kenyan shilling africa | safaris and savannas | marathon runners and safaris | giraffes and savannas
""")

DAYS = _words("monday tuesday wednesday thursday friday saturday sunday")
MONTHS = _words("january february march april may june july august september october november december")
SEASONS = _table("""
spring | the snow melts and the roses bloom | the storks return from the south | the gardeners sow the seeds
summer | the sun burns and the beach is crowded | the schools are closed | the campers pitch their tents
autumn | the leaves turn yellow | the harvest begins | the fog hangs over the fields
winter | it snows and the lakes freeze | everyone needs gloves and scarves | the stove is always on
""")
# one, several; the phrases are what is true of one
TIME_UNITS = _table("""
minute minutes | sixty seconds
hour hours | sixty minutes
day days | twenty four hours
week weeks | seven days
month months | thirty days
year years | twelve months
decade decades | ten years
century centuries | a hundred years
""")

NUMBERS = _words(
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty"
)

# plain, compared, highest; first what it is said of, and then the rest of such sentences
ADJECTIVES = _table("""
good better best | the food;the soup;the film;the music;the idea;the weather;the coffee | and we are all pleased | so everybody praises it | and we are satisfied
bad worse worst | the food;the soup;the film;the music;the idea;the weather;the coffee | and we are all upset | so everybody complains about it | and we are disappointed
big bigger biggest | the house;the hall;the box;the room;the stadium;the animal | and there is room for everyone | with plenty of room inside
small smaller smallest | the house;the hall;the box;the room;the doll;the animal | and there is hardly any room inside | like a toy
fast faster fastest | the runner;the train;the boat;the horse;the ski jumper | and wins every race | and nobody can keep up in the race
slow slower slowest | the runner;the train;the boat;the horse;the snail | and finishes last in every race | and never hurries
old older oldest | the castle;the church;the oak;the tower;the ruin | and has stood there since the war | and was here before us
new newer newest | the printer;the lamp;the toaster;the phone | and still under guarantee | and just unpacked with the guarantee
young younger youngest | the puppy;the calf;the pupil;the foal;the sailor | and was born this spring | and still has much to learn
tall taller tallest | the tower;the skyscraper;the giraffe;the chimney;the sailor | and towers above the roofs | and can look over the roofs
long longer longest | the river;the tunnel;the rope;the snake;the speech | and seems to have no end | and stretches for miles
short shorter shortest | the pencil;the skirt;the rope;the speech;the haircut | because a piece is missing | and ends at once
cold colder coldest | the water;the room;the wind;the freezer;the tea | so that everyone shivers | because the heating is broken
hot hotter hottest | the water;the room;the oven;the desert;the tea | so that everyone sweats | because the sun burns
cheap cheaper cheapest | the ticket;the hostel;the meal;the phone;the necklace | and costs only a few coins | because it is on sale
strong stronger strongest | the wrestler;the cable;the wind;the ox;the sailor | and bends iron bars | and can lift a ton
rich richer richest | the banker;the merchant;the heir;the oil company | and owns half of the town | and earns millions
poor poorer poorest | the beggar;the orphan;the widow;the refugee | and has no shelter and no shoes | and lives in the street
loud louder loudest | the drum;the trumpet;the alarm;the concert;the music | and hurts the ears | and wakes up the whole street
deep deeper deepest | the well;the ocean;the mine;the river;the lake | and no diver has reached the bottom | and no diver ever found the bottom
heavy heavier heaviest | the anvil;the piano;the suitcase;the rock;the box | and hurts your back | because it is full of lead
dark darker darkest | the cellar;the cave;the attic;the tunnel;the room | because the lamp is out | without a lamp
wet wetter wettest | the towel;the floor;the grass;the tent;the shirt | from all the rain | and drips with rain
easy easier easiest | the exercise;the puzzle;the recipe;the quiz | and is done without any trouble | and is no trouble at all
happy happier happiest | the bride;the winner;the clown;the couple;the widow | and beams and laughs all the time | because of a wish
""")

COLOURS = _table("""
red | blood;a ripe tomato;the fire engine
green | the grass;a frog;the lawn
blue | the sky;the sea;the ocean
yellow | a lemon;the canary;a dandelion
black | coal;a raven;the night sky
white | the snow;a swan;the polar bear
brown | mud;chocolate;a chestnut
grey | ashes;a rainy sky;the donkey
""")

FOOD = _words("bread cheese rice fish chicken salad pasta beans potatoes sausages eggs")
FRUIT = _words("apples oranges bananas pears grapes cherries plums peaches")
DRINKS = _words("tea coffee water milk wine beer juice lemonade")
INSTRUMENTS = _words("piano guitar violin flute trumpet cello clarinet harp")
SPORTS = _words("tennis football hockey golf basketball cricket rugby volleyball")
SUBJECTS = _words("history biology chemistry physics mathematics law medicine geography")
PLACES = _words("museum bakery pharmacy cinema hotel bank gallery hospital monument mosque")
