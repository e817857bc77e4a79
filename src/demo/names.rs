//! Words that the farm's names are made of. Knows nothing else.

pub(super) const MATERIALS: [&str; 16] = [
    "Amber", "Bronze", "Cedar", "Copper", "Flint", "Ivory", "Jade", "Linen", "Moss", "Oak", "Obsidian", "Pearl",
    "Silver", "Slate", "Willow", "Wool",
];

pub(super) const THINGS: [&str; 20] = [
    "Anvil", "Basket", "Bell", "Boots", "Bucket", "Churn", "Comb", "Flute", "Hammer", "Kettle", "Lantern", "Mirror",
    "Needle", "Plough", "Ring", "Scythe", "Sickle", "Spade", "Trough", "Yoke",
];

pub(super) const PEOPLE: [&str; 24] = [
    "Ada", "Bram", "Cleo", "Dara", "Edda", "Finn", "Greta", "Hugo", "Ines", "Jory", "Kaya", "Lars", "Mina", "Nils",
    "Odile", "Pim", "Quinn", "Runa", "Sten", "Tilda", "Ulf", "Vera", "Wim", "Yara",
];

pub(super) const TRADES: [&str; 8] = [
    "Beekeeper",
    "Carter",
    "Dyer",
    "Farrier",
    "Herder",
    "Miller",
    "Shepherd",
    "Thatcher",
];

pub(super) const PLACES: [&str; 6] = [
    "Appledown",
    "Brackenford",
    "Coldwell",
    "Eastmere",
    "Hollowhill",
    "Millbrook",
];

pub(super) const DEEDS: [&str; 12] = [
    "Mend", "Find", "Carry", "Polish", "Return", "Count", "Hide", "Paint", "Trade", "Guard", "Sharpen", "Bury",
];

pub(super) const TAGS: [&str; 14] = [
    "autumn", "broken", "carved", "festival", "gift", "harvest", "heirloom", "kitchen", "market", "music", "spring",
    "tool", "winter", "wool",
];

pub(super) const TITLES: [&str; 5] = [
    "Friend of the Barn",
    "Keeper of Bees",
    "Early Riser",
    "Warden of the Hedge",
    "First of the Harvest",
];
