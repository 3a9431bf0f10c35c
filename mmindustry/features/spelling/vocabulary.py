"""Plain words of workshops and machines, of our own writing: what is a word, not an abbreviation.

A plant's own words are learned from its lines; these stand in where it has written few.
"""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

_NOUNS = """
access accelerator accident accumulator actuator adapter adaptor aerial air airline alarm
alignment alternator anchor angle antenna apron arm armature armrest assembly attachment auger
axle back baffle bag bolster ball band bank bar barrel barrier base basket battery beacon beam
bearing bed bell belt bench bin blade blower board body boiler bolt bonnet boom boot bore bottle
bottom bowl box bracket brake branch breaker breather brick bridge brush bucket buckle buffer bulb
bumper bung burner bus bush bushing button bypass cab cabin cabinet cable cage calibration caliper
cam camera camshaft canister canopy cap capacitor car carriage carrier cart cartridge case casing
casting catch cause cavity ceiling cell centre center chain chair chamber channel charger chassis
check chip chock chuck chute circuit circlip clamp clearance clip clock clogging clutch coat coil
collar collector column combustion component compressor computer concrete condenser condition
conditioner conduit cone connection connector console contact contactor contamination control
controller converter conveyor coolant cooler cooling copper cord core corner corrosion counter
counterweight coupler coupling cover cowling crack cradle crane crank crankcase crankshaft crew
crossmember crowd crusher cup current curtain cushion cut cutter cylinder damage damper dash
dashboard data date day deck defect deflector delay delivery depth desk detector device diagnosis
diagram dial diaphragm diesel differential diode dipper dipstick direction dirt disc disconnect
discharge dish disk display ditch door doubler dozer drain drawbar drawing drill drive driveline
driver driveshaft drop drum duct dump dust earth edge effort ejector elbow electrician electricity
electrode element elevator emergency end energy engine entry equaliser equipment error estimate
evaporator excavator exchanger exhaust exit extension extinguisher extractor eye fabrication face
failure fan fastener fault feed feeder fence fender fibre field filler filter fin finger fire
fitter fitting fixture flag flame flange flap flasher fleet float floor flow fluid flush foam foot
footplate force forging fork forklift frame freezer frequency friction front fuel fume function
funnel furnace fuse gallery gantry gap gas gasket gate gauge gear gearbox generator gland glass
glove glow governor grate grease greaser grille grinder grip groove ground group guard guide gun
gutter hammer hand handle handbrake handrail hanger harness hatch haul hazard head header
headlight headrest heat heater height hinge hitch hoist holder hole hood hook hopper horn hose hot
hour house housing hub hydraulics ice idle idler igniter ignition impact impeller implement inch
indicator induction injection injector inlet inspection instruction instrument insulation
insulator intake interlock inverter isolation isolator issue item jack jaw jet jib job joint
joystick junction kerb key kit knee knife knob knuckle label ladder lamp lane latch lead leak
leakage leg lens level lever licence lid life lift light lighting lighter limit line liner link
linkage lip list load loader lobe lock locknut lockout log loom loop loss lubricant lubrication
lug machine magnet main mainframe maintenance manifold manual mark marker mast mat material
measure mechanic mechanism member mesh metal meter metre microphone midnight mill mirror mixer
mode module moisture monitor month motion motor mould mount mounting mouth movement mud mudguard
muffler nail neck needle neutral night nipple noise nose nozzle number nut offset oil operation
operator order orifice oring outlet output oven overhaul overhead overload oxygen packer packing
pad paint pallet pan panel paper park parking part partition passage paste path pattern pedal
pedestal pendant percent permit phase pilot pillar pin pinion pipe piping piston pit pivot plan
plant plastic plate platform plating plug plunger pocket point pointer pole pontoon pool port
position post pot power powder press pressure primer printer probe problem procedure profile
program propeller protection proximity puller pulley pulse pump puncture purge push quarter quote
rack radar radiator radio rail ram ramp rate ratio reading rear receiver receptacle recorder
reducer reel reflector refrigerant register regulator relay release relief remote repair
replacement report request reservoir resistor resistance rest restrictor retainer retarder return
reverse revolution rig rim ring ripper riser rivet road rock rocker rod roll roller roof room root
rope rotation rotor round route rubber run runner rust saddle safety sample sand scale schedule
scraper screed screen screw scrubber seal sealant seat seatbelt section sediment segment selector
sender sensor separator sequence service servo set setting shackle shaft shank shape shaver shear
sheave sheet shelf shell shield shift shim shock shoe shop short shorting shoulder shovel shroud
shutdown shutter side sight signal silencer silt site size skid skip skirt slack slag sleeve slew
slide slider sling slip slope slot sludge smoke snap socket software solenoid sound source space
spacer span spanner spare spark speaker speed spider spigot spill spindle spinner spline split
spool spot spray spreader spring sprocket squeal stabiliser stack stage stain stair stairs stand
standard starter state station stator steam steel steering stem step stick stock stop stopper
storage strainer strap strength strip strobe stroke structure strut stud stump submersible suction
sump supply support surface suspension swing switch swivel symptom system tab table tachometer tag
tail tailgate tank tap tape tappet target task tee telescope temperature tensioner terminal test
thermocouple thermostat thickness thread throttle thrust tie tightness tile tiller timer timing
tine tip tire toggle tongue tool tooth top torch torque tow tower track tracking tractor traffic
trailer train transducer transfer transformer transmission transmitter transport trap tray tread
treatment trench trend trigger trim trip trolley truck trunnion tube tubing tumbler turbine turbo
turbocharger turn turntable turret tyre union unit universal valve vane vent ventilator vessel
vibration view visor voltage volume wagon walkway wall warning warranty wash washer waste watch
water wave wax wear weather web wedge week weight weld welder well wheel whip whistle winch wind
winding window windscreen wing wiper wire wiring witness wood work workshop worm wrench yard year
yoke zone
"""
_VERBS = """
adjust align allow answer apply arc assemble assess assist attach attend balance bang be become
begin bend bind bleed block blow book boost bounce break bring build bump burn burst calibrate
call carry cause change charge check chock choke clean clear clip clog close collapse collect come
commission complain complete conduct connect contaminate cool corrode count crack crash cross cut
damage decay decommission deflate deform deliver dent deteriorate develop diagnose dismantle dig
disconnect discharge disengage dispose drag drain draw drift drill drip drive drop dry earth eject
empty enable engage enter erode escape examine exceed exchange expire explode expose extend
fabricate fade fail fall fasten feed feel fill find finish fit fix flash flatten flicker float
flood flow flush fly foam fold follow force form foul fracture free freeze fuse gather get give
glow go grease grind grip grow guard hang hammer hear heat hit hold hose hunt identify idle
illuminate improve increase inflate inject inspect install insulate intend investigate isolate jam
jerk join jump keep kick kink knock label lack land leak lean leave lift light load lock log
loosen look lose lower lubricate machine maintain make manufacture mark measure melt mend mesh
miss misalign misfire modify monitor mount move need note obstruct obtain oil open operate order
organise overcharge overfill overflow overhaul overheat overload overspeed paint park pass peel
perform perish pierce pin place plug point polish pop prepare press pressurise prevent prime pull
pump puncture purge push put raise rattle reach read realign rebuild receive recharge recommend
recondition reconnect rectify recycle reduce refill refit refurbish regas reinstall reject release
remake remount remove renew repack repaint repair replace report require reroute reseal resecure
reset respond restore restrict retain retension retighten return reverse reweld rewire ring rip
rise rotate route rub run rupture rust sag sample save scan schedule score scrape scratch screech
seal secure see seep seize select send separate service set settle sever shake shear shift shim
shine short show shudder shut sink skip slide slip slow smash smell smoke snap sort spin spill
splice split spray spread spring squeak squeal stall start stay steam steer stick stop straighten
strain stretch strike strip stuck suck supply support suspect swap sweep swell swing switch take
tap tear test thaw throw tie tighten tilt time tip torque touch tow trace track transfer transport
trap trip troubleshoot try tune turn twist undo unblock unload upgrade use vent vibrate wait
wander want warm warn wash watch wear weld whine wind wipe wire wobble work worn wrap write
"""
_OTHERS = """
a about above across after again all almost along already also always am an and another any are as
at away back backwards bad badly bare because been before behind below beneath beside better
between big bigger black blank blind blue both brand bright broken brown but by can cannot cold
complete constant constantly continuous continuously correct correctly could cracked daily damp
dangerous dark dead deep did dirty does done down downwards due during dull each early east eight
either electric electrical electronic else empty environmental erratic even every excess excessive
excessively external extra false far fast faulty few final first five flat for forward four fourth
free fresh from full further general good got great green grey had half hard has have he heavy her
here high higher him his hot how hydraulic i if ill in incorrect inner inoperative inside
intermittent intermittently internal into is it its large last late later lateral left less light
little live local long longitudinal loose loud low lower lowest manual many maximum may mechanical
medium middle minimum minor missing monthly more most much must my near nearside new next nil nine
no noisy none normal north not now of off offside often old on once one only open or orange other
our out outer outside outstanding over overdue own per permanent pneumatic poor possible
preventive previous primary prior proper properly quick quickly random ready rear red regular
remote right rough rotary round rusty safe same scheduled second secondary seven several severe
severely sharp she short should shut single six sixth slack slow slowly small smooth soft solid
some soon south spare spent square steady still straight strong stuck sudden ten tertiary that the
their them then there these they thin third this those three through tight to together too top
total toward towards twice two under unserviceable until unusual up upper upright upwards urgent
us various vertical very visual wards warm was we weak weekly were west wet what when where which
while white who whole why wide will with within without wont would wrong yearly yellow yes yet you
your zero hundred thousand monday tuesday wednesday thursday friday saturday sunday january
february march april may june july august september october november december broke broken blown
bent burnt built bought brought came caught cracked did drove driven fallen fell felt found frozen
gave given gone got ground grown heard held hung kept left lost made met paid ran read rung said
saw seen sent set shaken shown sprung stood stolen stuck struck swollen swung taken taught thrown
told took tore torn undone went won wore worn wound written wrote bodies batteries assemblies
bushes boxes brushes switches clutches branches hinges latches glasses teeth feet men women
children people knives shelves leaves axes hourly airtight offline online onboard standby
overnight halfway anticlockwise clockwise
"""
UNITS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "a": ("A",),
        "bar": ("bar",),
        "c": ("degrees C",),
        "cm": ("cm",),
        "d": ("day",),
        "h": ("hour",),
        "hr": ("hour",),
        "hrs": ("hours", "hour"),
        "hz": ("Hz",),
        "kg": ("kg",),
        "km": ("km",),
        "kpa": ("kPa",),
        "kv": ("kV",),
        "kw": ("kW",),
        "l": ("litre", "L"),
        "m": ("month", "metre"),
        "min": ("minute",),
        "mm": ("mm",),
        "mth": ("month",),
        "psi": ("PSI",),
        "rpm": ("RPM",),
        "s": ("second",),
        "t": ("tonne",),
        "v": ("V",),
        "w": ("week", "W"),
        "wk": ("week",),
        "y": ("year",),
        "yr": ("year",),
    }
)
"""Letters behind a number -> the unit: SI symbols, and the intervals of maintenance plans."""
_LONG_ENDINGS = ("s", "x", "z", "ch", "sh")


@lru_cache(maxsize=1)
def plain_words() -> frozenset[str]:
    """Return the plain words and their regular forms, lower case."""
    verbs = _VERBS.split()
    found = {*_NOUNS.split(), *verbs, *_OTHERS.split()}
    found.update(_with_s(word) for word in (*_NOUNS.split(), *verbs))
    for verb in verbs:
        found.update(_forms(verb))
    return frozenset(found)


def _with_s(word: str) -> str:
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return word[:-1] + "ies"
    return word + ("es" if word.endswith(_LONG_ENDINGS) else "s")


def _forms(verb: str) -> tuple[str, ...]:
    """Return the regular past and progressive.

    >>> _forms("fit"), _forms("carry"), _forms("repair")
    (('fitted', 'fitting'), ('carried', 'carrying'), ('repaired', 'repairing'))
    """
    if verb.endswith("e"):
        return (verb + "d", verb[:-1] + "ing")
    if verb.endswith("y") and verb[-2:-1] not in "aeiou":
        return (verb[:-1] + "ied", verb + "ing")
    vowels = sum(letter in "aeiouy" for letter in verb)
    doubled = vowels == 1 and verb[-2] in "aeiou" and verb[-1] not in "aeiouwxy"
    stem = verb + verb[-1] if doubled else verb
    return (stem + "ed", stem + "ing")
