"""Where allauth asks us: may people sign up, and how are the second factors kept."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import qrcode
from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from django.conf import settings
from django.http import HttpRequest
from qrcode.image.svg import SvgPathFillImage

from users import sealing
from users.models import User

MFA_PLACE = b"mfa_authenticator.data"


class AccountAdapter(DefaultAccountAdapter):
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return settings.SIGN_UP_OPEN


class SocialAccountAdapter(DefaultSocialAccountAdapter):
    """People of an external pool; the pool decides who they are, so sign-up is always open to them."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        return True

    def populate_user(
        self, request: HttpRequest, sociallogin: SocialLogin, data: dict[str, Any]
    ) -> User:
        """Pools write e-mail addresses in any case; our users have them in lower case."""
        email = data.get("email")
        return super().populate_user(
            request, sociallogin, {**data, "email": email.lower() if email else email}
        )


class MfaAdapter(DefaultMFAAdapter):
    """allauth stores TOTP secrets and recovery seeds as they are; here they are sealed."""

    def build_totp_svg(self, url: str) -> str:
        """On white, so that a phone can read it on a dark page too."""
        picture = BytesIO()
        qrcode.make(url, image_factory=SvgPathFillImage).save(picture)
        return picture.getvalue().decode()

    def encrypt(self, text: str) -> str:
        return sealing.seal(text, sealing.read_keys(settings.VAULT_KEYS), MFA_PLACE)

    def decrypt(self, encrypted_text: str) -> str:
        return sealing.unseal(encrypted_text, sealing.read_keys(settings.VAULT_KEYS), MFA_PLACE)
