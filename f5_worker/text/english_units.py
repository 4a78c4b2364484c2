"""What English currencies, magnitudes and units stand for."""

# Of a currency: one, many, one hundredth, many of these.
_DOLLARS = {
    **dict.fromkeys(("US$", "USD"), "US"),
    **dict.fromkeys(("A$", "AU$", "AUD"), "Australian"),
    **dict.fromkeys(("C$", "CA$", "CAD"), "Canadian"),
    **dict.fromkeys(("NZ$", "NZD"), "New Zealand"),
    **dict.fromkeys(("HK$", "HKD"), "Hong Kong"),
    **dict.fromkeys(("S$", "SGD"), "Singapore"),
}
_DOLLAR = ("dollar", "dollars", "cent", "cents")
CURRENCIES: dict[str, tuple[str, ...]] = {
    "$": _DOLLAR,
    **{code: (f"{land} dollar", f"{land} dollars", "cent", "cents") for code, land in _DOLLARS.items()},
    **dict.fromkeys(("€", "EUR"), ("euro", "euros", "cent", "cents")),
    **dict.fromkeys(("£", "GBP"), ("pound", "pounds", "penny", "pence")),
    **dict.fromkeys(("¥", "￥", "JPY"), ("yen", "yen")),
    **dict.fromkeys(("CNY", "RMB"), ("yuan", "yuan")),
    **dict.fromkeys(("₹", "INR"), ("rupee", "rupees", "paisa", "paise")),
    **dict.fromkeys(("₩", "KRW"), ("won", "won")),
    **dict.fromkeys(("₽", "RUB"), ("ruble", "rubles")),
    **dict.fromkeys(("CHF",), ("Swiss franc", "Swiss francs")),
    **dict.fromkeys(("R$", "BRL"), ("Brazilian real", "Brazilian reais")),
    **dict.fromkeys(("₺", "TRY"), ("Turkish lira", "Turkish lira")),
    **dict.fromkeys(("₪", "ILS"), ("shekel", "shekels")),
    **dict.fromkeys(("₫", "VND"), ("dong", "dong")),
    **dict.fromkeys(("₦", "NGN"), ("naira", "naira")),
    **dict.fromkeys(("₴", "UAH"), ("hryvnia", "hryvnias")),
    **dict.fromkeys(("฿", "THB"), ("baht", "baht")),
    **dict.fromkeys(("zł", "PLN"), ("zloty", "zlotys")),
    **dict.fromkeys(("₿", "BTC"), ("bitcoin", "bitcoins")),
    **dict.fromkeys(("SEK",), ("Swedish krona", "Swedish kronor")),
    **dict.fromkeys(("NOK", "DKK"), ("krone", "kroner")),
    "¢": ("cent", "cents"),
}
MAGNITUDES = {
    **dict.fromkeys(("k", "K", "thousand"), "thousand"),
    **dict.fromkeys(("M", "MM", "m", "mn", "mln", "mio", "million", "Million"), "million"),
    **dict.fromkeys(("B", "b", "bn", "Bn", "billion", "Billion"), "billion"),
    **dict.fromkeys(("T", "tn", "trn", "trillion", "Trillion"), "trillion"),
    "hundred": "hundred",
}

# Plurals end in s unless given after a slash.
_UNIT_NAMES = """
    km: kilometer
    m: meter
    cm: centimeter
    mm: millimeter
    µm: micrometer
    nm: nanometer
    mi: mile
    yd yds: yard
    ft: foot/feet
    in: inch/inches
    kg kgs: kilogram
    g: gram
    mg: milligram
    µg mcg: microgram
    lb lbs: pound
    oz: ounce
    fl_oz: fluid ounce
    t: ton
    L l: liter
    ml mL: milliliter
    cl cL: centiliter
    dl dL: deciliter
    gal: gallon
    qt: quart
    pt: pint
    tsp: teaspoon
    tbsp: tablespoon
    km/h kmh kph: kilometer per hour/kilometers per hour
    mph: mile per hour/miles per hour
    mpg: mile per gallon/miles per gallon
    kn: knot
    rpm RPM: revolution per minute/revolutions per minute
    bpm BPM: beat per minute/beats per minute
    fps FPS: frame per second/frames per second
    dpi DPI: dot per inch/dots per inch
    ppm: part per million/parts per million
    Hz: hertz/hertz
    kHz: kilohertz/kilohertz
    MHz: megahertz/megahertz
    GHz: gigahertz/gigahertz
    W: watt
    kW: kilowatt
    MW: megawatt
    GW: gigawatt
    TW: terawatt
    Wh: watt hour
    kWh: kilowatt hour
    MWh: megawatt hour
    GWh: gigawatt hour
    TWh: terawatt hour
    mAh: milliamp hour
    mA: milliamp
    V: volt
    kV: kilovolt
    mV: millivolt
    Ω: ohm
    kΩ: kiloohm
    B: byte
    KB kB: kilobyte
    MB: megabyte
    GB: gigabyte
    TB: terabyte
    PB: petabyte
    KiB: kibibyte
    MiB: mebibyte
    GiB: gibibyte
    kb Kb kbit: kilobit
    Mb Mbit: megabit
    Gb Gbit: gigabit
    kbps Kbps: kilobit per second/kilobits per second
    Mbps: megabit per second/megabits per second
    Gbps: gigabit per second/gigabits per second
    MP: megapixel
    px: pixel
    s sec secs: second
    ms: millisecond
    µs: microsecond
    ns: nanosecond
    min mins: minute
    h hr hrs: hour
    wk wks: week
    mo mos: month
    yr yrs: year
    Pa: pascal
    hPa: hectopascal
    kPa: kilopascal
    MPa: megapascal
    psi: pound per square inch/pounds per square inch
    mbar: millibar
    atm: atmosphere
    mmHg: millimeter of mercury/millimeters of mercury
    J: joule
    kJ: kilojoule
    MJ: megajoule
    cal: calorie
    kcal: kilocalorie
    Nm: newton meter
    hp: horsepower/horsepower
    dB: decibel
    lm: lumen
    ha: hectare
    ac: acre
    sq_ft sqft: square foot/square feet
    sq_m sqm: square meter
    sq_mi: square mile
    sq_km: square kilometer
    sq_in: square inch/square inches
    cu_ft: cubic foot/cubic feet
    cu_m: cubic meter
    cc: cubic centimeter
    ct: carat
    °C ℃: degree Celsius/degrees Celsius
    °F ℉: degree Fahrenheit/degrees Fahrenheit
    °: degree
    %: percent/percent
    ‰: per mille/per mille
    K: kelvin
    mol: mole
    mmol: millimole
"""


def _units() -> dict[str, tuple[str, str]]:
    units = {}
    for abbreviations, names in (line.split(": ") for line in _UNIT_NAMES.strip().splitlines()):
        one, _, many = names.partition("/")
        for abbreviation in abbreviations.split():
            units[abbreviation.replace("_", " ")] = (one, many or f"{one}s")
    for abbreviation in ("km", "m", "cm", "mm", "mi", "ft", "in"):
        one, many = units[abbreviation]
        for exponent, word in (
            ("²", "square"),
            ("2", "square"),
            ("^2", "square"),
            ("³", "cubic"),
            ("3", "cubic"),
            ("^3", "cubic"),
        ):
            units[abbreviation + exponent] = (f"{word} {one}", f"{word} {many}")
    return {**units, **{name.replace("µ", "μ"): words for name, words in units.items()}}  # micro is written with two letters


UNITS = _units()
"""Abbreviation to the name of one and of many."""
PER = {"day", "week", "month", "year", "hour", "minute", "second", "night", "person", "mile", "kilometer", "gallon", "unit"}
"""Words that follow a slash as units do: $20/hour."""
