//! QR codes of tables.

use qrcode::QrCode;
use qrcode::render::svg;
use qrcode::types::QrError;
use url::Url;

/// The page a guest opens by scanning: what the web client prints into its QR codes.
pub(super) fn page(site: &Url, restaurant: &str, table: &str) -> Url {
    let mut url = site.clone();
    url.set_path(&format!("/menu/{restaurant}"));
    url.query_pairs_mut().clear().append_pair("table", table);
    url
}

/// A QR code as an SVG picture.
pub(super) fn as_svg(text: &str) -> Result<String, QrError> {
    Ok(QrCode::new(text)?.render::<svg::Color<'_>>().min_dimensions(320, 320).build())
}

/// Pixels of one module of a PNG code, and modules of white around it.
const MODULE_PIXELS: usize = 8;
const QUIET_MODULES: usize = 4;

/// A QR code as a PNG picture, black on white.
pub(super) fn as_png(text: &str) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
    let code = QrCode::new(text)?;
    let modules = code.width() + 2 * QUIET_MODULES;
    let side = modules * MODULE_PIXELS;
    let dark = |x: usize, y: usize| {
        let inside = QUIET_MODULES..QUIET_MODULES + code.width();
        inside.contains(&x)
            && inside.contains(&y)
            && code[(x - QUIET_MODULES, y - QUIET_MODULES)] == qrcode::Color::Dark
    };
    let pixels: Vec<u8> = (0..side * side)
        .map(|place| if dark(place % side / MODULE_PIXELS, place / side / MODULE_PIXELS) { 0 } else { 255 })
        .collect();
    let mut file = Vec::new();
    let side = u32::try_from(side)?;
    let mut encoder = png::Encoder::new(&mut file, side, side);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header()?.write_image_data(&pixels)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_restaurant_and_table() {
        let site = Url::parse("http://127.0.0.1:8080").unwrap();
        let page = page(&site, "r-1", "VIP 2");
        assert_eq!(page.as_str(), "http://127.0.0.1:8080/menu/r-1?table=VIP+2");
        assert!(as_svg(page.as_str()).unwrap().starts_with("<?xml"));
        let png = as_png(page.as_str()).unwrap();
        assert_eq!(waiterix_ports::blob::detect_content_type(&png), Some("image/png"));
    }
}
