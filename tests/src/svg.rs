//! What a terminal showed, as a picture: text with colour codes in, SVG out. Pure.

use std::fmt::Write as _;

/// The window is this many letters wide; longer lines go on in the next row, as in a terminal.
pub const COLUMNS: usize = 100;

/// Width and height of a letter, and the margin around the text, in the picture's units.
const LETTER: f64 = 8.4;
const ROW: usize = 19;
const MARGIN: usize = 16;
/// Height of the window's bar.
const BAR: usize = 34;

const BACKGROUND: &str = "#0d1117";
const FOREGROUND: &str = "#c9d1d9";
/// The eight colours of codes 30 to 37, then their bright forms, 90 to 97.
const COLOURS: [&str; 16] = [
    "#484f58", "#ff7b72", "#3fb950", "#d29922", "#58a6ff", "#bc8cff", "#39c5cf", "#b1bac4", //
    "#6e7681", "#ffa198", "#56d364", "#e3b341", "#79c0ff", "#d2a8ff", "#56d4dd", "#f0f6fc",
];

/// How letters look from a code on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct TextStyle {
    bold: bool,
    dim: bool,
    colour: Option<usize>,
}

impl TextStyle {
    /// The look after one `ESC [ … m`. Codes that this picture does not know change nothing.
    fn after(mut self, codes: &str) -> Self {
        let mut codes = codes.split([';', ':']).map(|code| code.parse().unwrap_or(0_usize));
        while let Some(code) = codes.next() {
            match code {
                0 => self = Self::default(),
                1 => self.bold = true,
                2 => self.dim = true,
                22 => (self.bold, self.dim) = (false, false),
                30..=37 => self.colour = Some(code - 30),
                90..=97 => self.colour = Some(code - 90 + 8),
                39 => self.colour = None,
                // A colour out of 256 or of RGB: its own numbers must not be taken for codes.
                38 | 48 => match codes.next() {
                    Some(5) => drop(codes.next()),
                    Some(2) => drop(codes.nth(2)),
                    _ => {}
                },
                _ => {}
            }
        }
        self
    }

    fn attributes(self) -> String {
        let mut text = String::new();
        if let Some(colour) = self.colour.and_then(|colour| COLOURS.get(colour)) {
            let _ = write!(text, " fill=\"{colour}\"");
        }
        if self.bold {
            text.push_str(" font-weight=\"bold\"");
        }
        if self.dim {
            text.push_str(" opacity=\"0.6\"");
        }
        text
    }
}

type Row = Vec<(char, TextStyle)>;

/// The picture of a terminal that shows this text.
///
/// Colour codes 0, 1, 2, 22, 30–37, 39 and 90–97 are drawn; a carriage return writes over its line and `ESC [ K` clears
/// the rest of it, as progress lines do; every other control sequence is left out. Equal text gives equal bytes.
#[must_use]
pub fn render(title: &str, text: &str) -> String {
    let rows = rows(text);
    // Rounded up: a column of letters never touches the frame.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small positive constant")]
    let width = (COLUMNS as f64 * LETTER).ceil() as usize + 2 * MARGIN;
    let height = BAR + rows.len() * ROW + MARGIN;
    let mut svg = frame(title, width, height);
    for (number, row) in rows.iter().enumerate() {
        svg.push_str(&draw(row, BAR + (number + 1) * ROW - 5));
    }
    svg.push_str("</g>\n</svg>\n");
    svg
}

fn frame(title: &str, width: usize, height: usize) -> String {
    let title = escape(title);
    let middle = width / 2;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         role=\"img\" aria-label=\"{title}\">\n\
         <title>{title}</title>\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"{BACKGROUND}\" stroke=\"#30363d\"/>\n"
    );
    for (number, colour) in ["#ff5f56", "#ffbd2e", "#27c93f"].iter().enumerate() {
        let x = MARGIN + 6 + number * 20;
        let _ = writeln!(svg, "<circle cx=\"{x}\" cy=\"17\" r=\"6\" fill=\"{colour}\"/>");
    }
    let font = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono','Liberation Mono',monospace";
    // Browsers no longer heed `xml:space`; other viewers know nothing else.
    svg.push_str("<style>text{white-space:pre}</style>\n");
    let _ = writeln!(svg, "<g font-family=\"{font}\" font-size=\"14\" fill=\"{FOREGROUND}\" xml:space=\"preserve\">");
    let _ = writeln!(svg, "<text x=\"{middle}\" y=\"22\" text-anchor=\"middle\" opacity=\"0.6\">{title}</text>");
    svg
}

/// One row. Each run of equal letters says where it begins and how wide it is, so that any font keeps the columns.
fn draw(row: &Row, y: usize) -> String {
    let mut svg = String::new();
    let mut column = 0;
    for run in row.chunk_by(|(_, left), (_, right)| left == right) {
        let text: String = run.iter().map(|(letter, _)| letter).collect();
        let begin = column + text.chars().take_while(|letter| *letter == ' ').count();
        column += run.len();
        let text = text.trim_matches(' ');
        if text.is_empty() {
            continue;
        }
        let (x, width) = (MARGIN as f64 + begin as f64 * LETTER, text.chars().count() as f64 * LETTER);
        let look = run.first().map(|(_, look)| look.attributes()).unwrap_or_default();
        let text = escape(text);
        let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y}\" textLength=\"{width:.1}\"{look}>{text}</text>");
    }
    svg
}

/// What is on the screen after the text, row by row.
fn rows(text: &str) -> Vec<Row> {
    let mut screen = Screen::default();
    let mut letters = text.trim_end().chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\u{1b}' => screen.sequence(&mut letters),
            '\n' => screen.new_line(),
            '\r' => screen.column = 0,
            '\t' => (0..8 - screen.column % 8).for_each(|_| screen.put(' ')),
            letter if letter.is_control() => {}
            letter => screen.put(letter),
        }
    }
    screen.new_line();
    screen.rows
}

#[derive(Default)]
struct Screen {
    rows: Vec<Row>,
    row: Row,
    column: usize,
    look: TextStyle,
}

impl Screen {
    fn put(&mut self, letter: char) {
        if self.column == COLUMNS {
            self.new_line();
        }
        let cell = (letter, self.look);
        match self.row.get_mut(self.column) {
            Some(there) => *there = cell,
            None => self.row.push(cell),
        }
        self.column += 1;
    }

    fn new_line(&mut self) {
        self.rows.push(std::mem::take(&mut self.row));
        self.column = 0;
    }

    /// Reads on behind an escape: `[ … letter`, or `] … BEL` (titles and links, which are not drawn).
    fn sequence(&mut self, letters: &mut impl Iterator<Item = char>) {
        match letters.next() {
            Some('[') => {
                let mut inner = String::new();
                for letter in letters.by_ref() {
                    if ('@'..='~').contains(&letter) {
                        self.control(letter, &inner);
                        return;
                    }
                    inner.push(letter);
                }
            }
            Some(']') => {
                let mut before = ' ';
                let _ = letters.any(|letter| {
                    let ended = letter == '\u{7}' || (before == '\u{1b}' && letter == '\\');
                    before = letter;
                    ended
                });
            }
            _ => {}
        }
    }

    fn control(&mut self, letter: char, inner: &str) {
        match letter {
            'm' => self.look = self.look.after(inner),
            'K' if inner == "2" => self.row.clear(),
            'K' if inner != "1" => self.row.truncate(self.column),
            _ => {}
        }
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            letter if letter.is_control() => {}
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Vec<String> {
        rows(text).iter().map(|row| row.iter().map(|(letter, _)| letter).collect()).collect()
    }

    #[test]
    fn colours_are_drawn() {
        let svg = render("t", "a \u{1b}[1;31mred\u{1b}[0m \u{1b}[92mgreen\u{1b}[39m \u{1b}[2mdim\u{1b}[22m");
        assert!(svg.contains("fill=\"#ff7b72\" font-weight=\"bold\">red<"), "{svg}");
        assert!(svg.contains("fill=\"#56d364\">green<") && svg.contains("opacity=\"0.6\">dim<"), "{svg}");
        assert!(!svg.contains('\u{1b}'));
    }

    #[test]
    fn an_empty_code_is_a_reset_and_unknown_ones_are_nothing() {
        let look = TextStyle::default().after("1;34");
        assert_eq!(look.after(""), TextStyle::default());
        assert_eq!(look.after("4;7"), look);
        assert_eq!(look.after("38;5;1"), look);
        assert_eq!(look.after("38;2;1;2;31"), look);
    }

    #[test]
    fn xml_is_escaped() {
        let svg = render("<title> & \"more\"", "if a < b && c > \"d\" \u{0}");
        assert!(svg.contains("if a &lt; b &amp;&amp; c &gt; &quot;d&quot;"), "{svg}");
        assert!(svg.contains("&lt;title&gt; &amp; &quot;more&quot;"));
        assert!(!svg.contains('\u{0}'));
    }

    #[test]
    fn progress_writes_over_its_line() {
        assert_eq!(plain("one 1s\rone 2s\ntwo"), ["one 2s", "two"]);
        assert_eq!(plain("a long line\r\u{1b}[Kshort"), ["short"]);
        assert_eq!(plain("\u{1b}[?25l\u{1b}[2Jtext\u{1b}[?25h"), ["text"]);
        assert_eq!(plain("a\r\nb"), ["a", "b"]);
    }

    #[test]
    fn long_lines_go_on_below() {
        let rows = plain(&"x".repeat(COLUMNS + 3));
        assert_eq!(rows.iter().map(String::len).collect::<Vec<_>>(), [COLUMNS, 3]);
        assert_eq!(plain(&"x".repeat(COLUMNS)).len(), 1);
        assert_eq!(plain("a\tb"), ["a       b"]);
    }

    #[test]
    fn links_keep_their_text_only() {
        assert_eq!(plain("\u{1b}]8;;https://x\u{7}text\u{1b}]8;;\u{7} on"), ["text on"]);
        assert_eq!(plain("\u{1b}]0;title\u{1b}\\text"), ["text"]);
    }

    #[test]
    fn columns_keep_their_place() {
        let svg = render("t", "  ab   \u{1b}[32m✔\u{1b}[0m  done");
        assert!(svg.contains("x=\"32.8\"") && svg.contains("textLength=\"16.8\">ab<"), "{svg}");
        // Seven letters before the mark: 16 + 7 × 8.4.
        assert!(svg.contains("x=\"74.8\"") && svg.contains(">✔<"), "{svg}");
        assert_eq!(svg, render("t", "  ab   \u{1b}[32m✔\u{1b}[0m  done"));
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    }

    #[test]
    fn the_picture_grows_with_its_rows() {
        let height = |text: &str| {
            let svg = render("t", text);
            let rest = svg.split_once("height=\"").map(|(_, rest)| rest.to_owned()).unwrap_or_default();
            rest.split('"').next().and_then(|number| number.parse::<usize>().ok()).unwrap_or_default()
        };
        assert_eq!(height("a\nb\nc") - height("a"), 2 * ROW);
    }
}
