//! Pictures of dishes, drawn by arithmetic so that the program carries no image files.

/// Width and height of a picture in pixels.
const SIZE: (u32, u32) = (480, 360);

/// A picture of a plate as a PNG file; each `seed` gives another dish, `category` its colours.
///
/// # Errors
/// When the PNG encoder fails, which it does not for pictures of this size.
pub fn plate(category: &str, seed: u32) -> Result<Vec<u8>, png::EncodingError> {
    let palette = palette(category);
    let mut dice = Dice(seed.wrapping_mul(2_654_435_761).wrapping_add(97));
    let pieces: Vec<Piece> = (0..26).map(|_| Piece::thrown(&mut dice, palette)).collect();
    let mut pixels = Vec::with_capacity((SIZE.0 * SIZE.1 * 3) as usize);
    for y in 0..SIZE.1 {
        for x in 0..SIZE.0 {
            pixels.extend(colour_at(f64::from(x) - 240.0, f64::from(y) - 180.0, &pieces));
        }
    }
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, SIZE.0, SIZE.1);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header()?.write_image_data(&pixels)?;
    Ok(file)
}

type Rgb = [u8; 3];

fn palette(category: &str) -> [Rgb; 4] {
    match category {
        "Starters" | "Appetizers" => [[196, 140, 72], [120, 160, 70], [230, 210, 160], [170, 60, 50]],
        "Soups" => [[205, 84, 48], [222, 120, 60], [240, 190, 110], [90, 130, 60]],
        "Pasta" => [[232, 202, 120], [214, 178, 92], [180, 60, 44], [96, 140, 66]],
        "Mains" | "Main Course" => [[150, 88, 48], [186, 118, 66], [88, 128, 60], [214, 168, 84]],
        "Sides" => [[96, 148, 64], [140, 180, 80], [214, 170, 70], [70, 110, 50]],
        "Desserts" => [[116, 70, 46], [240, 222, 190], [214, 90, 100], [250, 240, 214]],
        _ => [[240, 208, 80], [180, 210, 120], [250, 240, 200], [120, 170, 190]],
    }
}

/// One round piece of food on the plate.
struct Piece {
    x: f64,
    y: f64,
    radius: f64,
    colour: Rgb,
}

impl Piece {
    fn thrown(dice: &mut Dice, palette: [Rgb; 4]) -> Self {
        let angle = dice.roll() * std::f64::consts::TAU;
        let distance = dice.roll().sqrt() * 78.0;
        Self {
            x: angle.cos() * distance,
            y: angle.sin() * distance * 0.82,
            radius: 14.0 + dice.roll() * 24.0,
            colour: palette[(dice.roll() * 3.999) as usize],
        }
    }
}

/// The colour of a point, measured from the middle of the picture.
fn colour_at(x: f64, y: f64, pieces: &[Piece]) -> Rgb {
    let from_middle = (x * x + (y / 0.86) * (y / 0.86)).sqrt();
    for piece in pieces.iter().rev() {
        let distance = ((x - piece.x).powi(2) + (y - piece.y).powi(2)).sqrt();
        if distance < piece.radius && from_middle < 118.0 {
            // Brighter towards the upper left, as if lit from there.
            let light =
                1.12 - distance / piece.radius * 0.3 - ((x - piece.x) + (y - piece.y)) / piece.radius * 0.08;
            return piece.colour.map(|part| shade(part, light));
        }
    }
    match from_middle {
        d if d < 128.0 => [246, 244, 240],
        d if d < 132.0 => [224, 220, 214],
        d if d < 160.0 => [252, 251, 249],
        d if d < 170.0 => [150, 128, 104],
        _ => {
            // Wooden table: slow waves along the grain.
            let grain = ((y * 0.11 + (x * 0.013).sin() * 4.0).sin() + 1.0) * 0.05;
            [172, 132, 94].map(|part| shade(part, 0.95 + grain))
        }
    }
}

fn shade(part: u8, light: f64) -> u8 {
    (f64::from(part) * light).clamp(0.0, 255.0) as u8
}

/// Numbers that look thrown but are the same in every run.
struct Dice(u32);

impl Dice {
    /// From 0 up to 1.
    fn roll(&mut self) -> f64 {
        // Xorshift needs a state other than zero.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 = self.0.max(1);
        f64::from(self.0) / (f64::from(u32::MAX) + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dish_looks_different_and_is_a_png() {
        let one = plate("Mains", 1).unwrap();
        assert_eq!(waiterix_ports::blob::detect_content_type(&one), Some("image/png"));
        assert_ne!(one, plate("Mains", 2).unwrap());
        assert_eq!(one, plate("Mains", 1).unwrap());
    }
}
